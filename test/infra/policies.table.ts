import { namesOf } from '../../infra/names.ts';
import { boxRows } from './table/box.ts';
import { deployRows } from './table/deploys.ts';
import { launcherRows } from './table/launcher.ts';
import { peopleRows, trustRows } from './table/people.ts';
import { type Row, things } from './table/rows.ts';
import { ACCOUNT } from './who.ts';

/** Who may do what in an account with the deployment of docs/target.example.json: each row reads as the need, or as the threat. */
export function exampleTable(): Row[] {
  const region = 'eu-central-1';
  const names = namesOf('devctl', { account: ACCOUNT, region });
  const of = things(names, region);
  return [
    ...launcherRows(names, of),
    ...boxRows(names, of, region),
    ...peopleRows(names, of),
    ...trustRows(names, of),
    ...deployRows(names, of),
  ];
}
