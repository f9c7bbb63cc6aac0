import type { Pool } from '../../contract/pool.ts';
import { formatUsd } from '../../contract/units.ts';
import type { Cli } from '../cli.ts';
import { json, plainRows, table } from '../output.ts';
import { plainText, plural, span } from '../text.ts';
import type { Run } from '../verb.ts';

type PoolBox = Pool['boxes'][number];

const HEADER = ['BOX', 'STATE', 'SINCE', 'SIZE', 'ARCH', 'WHERE', 'AGE', 'IMAGE'];

function rowOf({ id, box, state, since, size, arch, place, createdAt, image, current }: PoolBox, now: number): string[] {
  const ago = (at: string) => span(Math.max(0, now - Date.parse(at)));
  return [box ?? id, state, ago(since), size, arch, place ?? '–', ago(createdAt), current ? image : `${image} (old)`];
}

function showPool(cli: Cli, pool: Pool): void {
  const now = Date.now();
  if (pool.boxes.length > 0)
    cli.print(
      table(
        HEADER,
        pool.boxes.map((box) => rowOf(box, now)),
        cli.out,
      ),
    );
  const ready = pool.boxes.filter(({ state, current }) => state === 'ready' && current).length;
  const wanted = `${plural(pool.wanted, `${pool.boxSize} box`, `${pool.boxSize} boxes`)} wanted now, ${ready} ready`;
  const cost = `${formatUsd(pool.usdPerMonth)} a month as it is, ${formatUsd(pool.wantedUsdPerMonth)} as wanted`;
  cli.print(`${wanted} · ${cost}\n`);
  for (const window of pool.schedule) cli.print(`${plainText(window)}, else ${pool.base}\n`);
  for (const { id, problem } of pool.boxes) if (problem !== null) cli.warn(`${id}: ${plainText(problem)}`);
}

export const run: Run = async (cli) => {
  const pool = await (await cli.client()).call('pool', {});
  if (cli.form === 'json') cli.print(json(pool));
  else if (cli.form === 'plain')
    cli.print(
      plainRows(
        pool.boxes.map(({ id, box, state, size, arch, image, place, createdAt, since }) => [
          id,
          box ?? '',
          state,
          size,
          arch,
          image,
          place ?? '',
          createdAt,
          since,
        ]),
      ),
    );
  else if (!pool.supported) cli.print('none: boxes of this launcher start in less than a second, and are not kept in reserve\n');
  else if (pool.wanted === 0 && pool.boxes.length === 0 && pool.schedule.length === 0)
    cli.print('none: devctl serve --pool 2 keeps two boxes in reserve\n');
  else showPool(cli, pool);
  return undefined;
};
