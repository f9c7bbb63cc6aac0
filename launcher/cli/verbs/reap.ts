import type { ReapResult } from '../../contract/api.ts';
import type { Cli } from '../cli.ts';
import { runLauncher } from '../launcher-run.ts';
import { json, plainRows } from '../output.ts';
import { plainText, plural } from '../text.ts';
import type { Run } from '../verb.ts';

/** One pass by a launcher of its own that ends with it: a cron leaves nothing running behind. */
async function reapAlone(cli: Cli, dryRun: boolean): Promise<ReapResult> {
  let answer = '';
  const args = ['--home', cli.home.dir, '--isolation', cli.flags.isolation ?? 'auto', '--reap', ...(dryRun ? ['--dry-run'] : [])];
  await runLauncher({
    args,
    env: cli.env,
    onLine: (line) => {
      answer = line;
    },
    onLog: () => undefined,
  });
  return JSON.parse(answer) as ReapResult;
}

const NOTHING: Omit<ReapResult, 'dryRun'> = { sessionsLookedAt: 0, items: [], complete: true, recordsMissing: false };

/** One pass of the launcher that runs, or of one for this pass alone. */
export async function onePass(cli: Cli): Promise<ReapResult> {
  const dryRun = cli.flags.dryRun === true;
  if (!cli.hasLauncher()) return { ...NOTHING, dryRun };
  return cli.isRunning() ? (await cli.client()).call('reap', { body: { dryRun } }) : reapAlone(cli, dryRun);
}

export function warnOf(cli: Cli, { recordsMissing, complete }: ReapResult): void {
  if (recordsMissing)
    cli.warn('the table has no record of these things: nothing is removed; devctl recover --from-tags brings the records back');
  else if (!complete) cli.warn('a list could not be read in full, so nothing was removed on its word');
}

export const run: Run = async (cli) => {
  const result = await onePass(cli);
  if (cli.form === 'json') cli.print(json(result));
  else if (cli.form === 'plain') cli.print(plainRows(result.items.map((item) => [item.action, item.kind, item.id, item.reason])));
  else {
    cli.print(`${plural(result.sessionsLookedAt, 'session')} looked at, ${plural(result.items.length, 'thing')} found\n`);
    for (const item of result.items)
      cli.print(`  ${item.action.replaceAll('_', ' ')}  ${item.kind} ${plainText(item.id)}: ${plainText(item.reason)}\n`);
    warnOf(cli, result);
  }
  return result.items.some((item) => item.action === 'failed') ? 1 : 0;
};
