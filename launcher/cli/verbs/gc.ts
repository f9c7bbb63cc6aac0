import type { ReapResult } from '../../contract/api.ts';
import { formatUsd } from '../../contract/units.ts';
import { json, plainRows, table } from '../output.ts';
import { plural, span } from '../text.ts';
import type { Run } from '../verb.ts';
import { onePass, warnOf } from './reap.ts';

type Item = ReapResult['items'][number];

const ageOf = ({ thing }: Item, now: number): string => (thing ? span(Math.max(0, now - Date.parse(thing.createdAt))) : '–');
const ownerOf = ({ thing }: Item): string => (thing?.owner ? `${thing.owner}/${thing.workspace}` : '–');
const monthOf = ({ thing }: Item): string => (thing?.usdPerMonth == null ? '–' : formatUsd(thing.usdPerMonth));

/** What the pass gives back, or would: dollars a month. */
const reclaimed = (items: readonly Item[]): number =>
  items.reduce((sum, { action, thing }) => sum + (action === 'removed' || action === 'would_remove' ? (thing?.usdPerMonth ?? 0) : 0), 0);

/** The pass of the reaper, as a table of what is left over and what that costs. */
export const run: Run = async (cli) => {
  const result = await onePass(cli);
  const { items } = result;
  const usdPerMonth = reclaimed(items);
  if (cli.form === 'json') cli.print(json({ ...result, usdPerMonth }));
  else if (cli.form === 'plain')
    cli.print(
      plainRows(
        items.map((item) => [
          item.action,
          item.kind,
          item.id,
          item.thing?.createdAt ?? '',
          ownerOf(item),
          String(item.thing?.usdPerMonth ?? ''),
          item.reason,
        ]),
      ),
    );
  else {
    const now = Date.now();
    const rows = items.map((item) => [
      item.kind,
      item.id,
      ageOf(item, now),
      ownerOf(item),
      monthOf(item),
      item.action.replaceAll('_', ' '),
      item.reason,
    ]);
    if (rows.length > 0) cli.print(table(['KIND', 'ID', 'AGE', 'OWNER', 'A MONTH', '', 'WHY'], rows, cli.out));
    const sum = items.some(({ thing }) => thing?.usdPerMonth != null)
      ? ` · ${formatUsd(usdPerMonth)} a month ${result.dryRun ? 'to be had' : 'less'}`
      : '';
    cli.print(`${plural(items.length, 'thing')} left over${sum}\n`);
    warnOf(cli, result);
  }
  return items.some(({ action }) => action === 'failed') ? 1 : 0;
};
