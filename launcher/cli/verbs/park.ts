import { parkQuerySchema } from '../../contract/api.ts';
import { formatDuration, parseDurationMs } from '../../contract/units.ts';
import { interruptible } from '../interrupt.ts';
import { failureOf } from '../lease.ts';
import { json, plainRows } from '../output.ts';
import { clientFor, needSession } from '../refs.ts';
import { Steps } from '../steps.ts';
import { check } from '../validate.ts';
import type { Run } from '../verb.ts';

const TIMEOUT_MS = 600_000;

export const run: Run = async (cli, { args }) => {
  if (cli.flags.timeout !== undefined) check(parkQuerySchema, { timeout: cli.flags.timeout }, { timeout: '--timeout' });
  const waitMs = cli.flags.timeout === undefined ? TIMEOUT_MS : (parseDurationMs(cli.flags.timeout) as number);
  const client = await clientFor(cli, args[0]);
  const before = await needSession(cli, client, args[0]);
  const wait = cli.flags.wait === false ? 'none' : 'parked';
  const steps = new Steps(cli);
  const start = performance.now();
  steps.doing(() => `making it quiet, then stopping its box · ${Math.round((performance.now() - start) / 1000)} s`);
  const query = { wait, timeout: formatDuration(waitMs) } as const;
  const parking = client.call('parkSession', { params: { id: before.id }, query, waitMs });
  const background = `it goes on in the background: see devctl status ${before.workspace}`;
  const after = await interruptible(cli, background, parking, steps).finally(() => steps.stop());
  if (wait === 'parked' && after.phase !== 'parked') throw failureOf(after);
  if (wait === 'parked') steps.done('parked', performance.now() - start);
  if (cli.form === 'json') cli.print(json(after));
  else if (cli.form === 'plain') cli.print(plainRows([[after.workspace, after.phase]]));
  else cli.print(`${after.workspace} is ${after.phase === 'parked' ? 'parked' : 'being parked'}: devctl up goes on with it\n`);
  return undefined;
};
