import { randomBytes } from 'node:crypto';
import { makeId } from '../launcher/contract/fields.ts';
import type { ComputePort, LaunchRequest } from '../launcher/ports/compute.ts';
import { ZONES } from '../test/sim/catalog.ts';
import { providerOn, templatesOn } from '../test/sim/ec2-subject.ts';
import { BUCKETS, DESCRIBE_NARROW, OTHER_MUTATING } from '../test/sim/figures.ts';
import { isMutating } from '../test/sim/ledger.ts';
import { SimulatedMachine } from '../test/sim/simulated-machine.ts';
import { SimulatedAws } from '../test/sim/world.ts';
import { launchRequestWith } from '../test/support/launch-request.ts';
import { assertGoingOn } from './interruption.ts';
import { table } from './report.ts';
import { summarize } from './stats.ts';

const SIZES = [1, 10, 100, 1000, 10_000];
const QUICK_SIZES = [1, 10];
const AGAIN_MS = 1000;

/** Many sessions that want a box at the same moment, asked of the provider alone: time to ready, and what it costs in calls. */
export async function atOnceNotes(quick: boolean): Promise<string[]> {
  const rows: string[][] = [];
  for (const sessions of quick ? QUICK_SIZES : SIZES) {
    assertGoingOn();
    rows.push(await atOnce(sessions));
  }
  const header = ['sessions at once', 'ready p50', 'ready p95', 'last', 'describes each', 'calls a second', 'refused', 'fullest bucket'];
  return [
    'Sessions that all begin at the same moment (the provider alone; no quota in the way):',
    table(header, rows),
    'Refused: calls that AWS turned away as too many. Fullest bucket: the most that any ten seconds took of what a bucket gives in them.',
  ];
}

async function atOnce(sessions: number): Promise<string[]> {
  const ready: number[] = [];
  const aws = new SimulatedAws({ boot: SimulatedMachine.boot({ onUp: () => ready.push(aws.cloud.clock.now() - startMs) }) });
  const { clock, ledger, pools, catalog, faults } = aws.cloud;
  faults.clear();
  Object.assign(pools.quotas, { spotVcpus: 1e6, onDemandVcpus: 1e6, volumeGiB: 1e9 });
  pools.setAll({}, sessions * 2, ZONES);
  for (const subnet of catalog.subnets.values()) subnet.freeAddresses = sessions * 2;
  const provider = providerOn(aws, await templatesOn(aws));
  const from = ledger.calls.length;
  const startMs = clock.now();
  const newId = (prefix: 'ws' | 'ses') => makeId(prefix, clock.now(), randomBytes(16));
  await clock.run(Promise.all(Array.from({ length: sessions }, () => bring(provider, aws, launchRequestWith(newId)))));
  await clock.until(() => ready.length === sessions);
  const calls = ledger.calls.slice(from);
  const describes = calls.filter(({ op }) => !isMutating(op)).length;
  const refused = calls.filter(({ outcome }) => outcome === 'RequestLimitExceeded').length;
  const { median, p95 } = summarize(ready);
  const seconds = (ms: number) => `${(ms / 1000).toFixed(1)} s`;
  return [
    sessions.toLocaleString('en-US'),
    seconds(median),
    seconds(p95),
    seconds(Math.max(...ready)),
    (describes / sessions).toPrecision(2),
    (calls.length / (Math.max(...ready) / 1000)).toFixed(1),
    String(refused),
    fullest(calls),
  ];
}

/** Every step of a launch. A call whose turn was too far away is asked for again, as the controllers do. */
async function bring(provider: ComputePort, { cloud }: SimulatedAws, request: LaunchRequest): Promise<void> {
  for (let providerState: unknown = null; ; ) {
    try {
      const answer = await provider.launch({ ...request, providerState });
      if (!answer.underway) return;
      providerState = answer.providerState;
      await cloud.clock.sleep(answer.retryAfterMs);
    } catch (error) {
      if ((error as { kind?: string }).kind !== 'busy') throw error;
      await cloud.clock.sleep(AGAIN_MS);
    }
  }
}

const WINDOW_MS = 10_000;

/** By the calls of each operation in the fullest window, against what its bucket gives from full. */
function fullest(calls: ReadonlyArray<{ op: string; atMs: number }>): string {
  const windows = new Map<string, number>();
  for (const { op, atMs } of calls) {
    const name = `${op} ${Math.floor(atMs / WINDOW_MS)}`;
    windows.set(name, (windows.get(name) ?? 0) + 1);
  }
  let worst = { op: '', share: 0 };
  for (const [name, count] of windows) {
    const op = name.split(' ')[0] ?? '';
    const { max, perSecond } = isMutating(op) ? (BUCKETS[op] ?? OTHER_MUTATING) : DESCRIBE_NARROW;
    const share = count / (max + (perSecond * WINDOW_MS) / 1000);
    if (share > worst.share) worst = { op, share };
  }
  return `${worst.op} ${Math.round(worst.share * 100)} %`;
}
