import { ZONES } from '../test/sim/catalog.ts';
import { Ec2Bench } from '../test/sim/ec2-bench.ts';
import { BUCKETS, DESCRIBE_NARROW, OTHER_MUTATING } from '../test/sim/figures.ts';
import { isMutating } from '../test/sim/ledger.ts';
import { assertGoingOn } from './interruption.ts';
import { table } from './report.ts';
import { summarize } from './stats.ts';

const SIZES = [1, 10, 100, 1000, 10_000];
const QUICK_SIZES = [1, 10];

/** Many sessions that want a box at the same moment, asked of the provider alone: time to ready, and what it costs in calls. */
export async function atOnceNotes(quick: boolean): Promise<string[]> {
  const rows: string[][] = [];
  for (const sessions of quick ? QUICK_SIZES : SIZES) {
    assertGoingOn();
    rows.push(await atOnce(sessions));
  }
  const header = ['sessions at once', 'ready p50', 'ready p95', 'last', 'describes each', 'refused', 'fullest bucket'];
  return [
    'Sessions that all begin at the same moment (the provider alone; no quota in the way):',
    table(header, rows),
    'Refused: calls that AWS turned away as too many. Fullest bucket: the most that any ten seconds took of what a bucket gives in them.',
  ];
}

async function atOnce(sessions: number): Promise<string[]> {
  const bench = await Ec2Bench.open();
  bench.aws.cloud.faults.clear();
  Object.assign(bench.aws.cloud.pools.quotas, { spotVcpus: 1e6, onDemandVcpus: 1e6, volumeGiB: 1e9 });
  const { clock, ledger } = bench.aws.cloud;
  bench.aws.cloud.pools.setAll({}, sessions * 2, ZONES);
  for (const subnet of bench.aws.cloud.catalog.subnets.values()) subnet.freeAddresses = sessions * 2;
  const from = ledger.calls.length;
  const startMs = clock.now();
  const ready: number[] = [];
  const one = async () => {
    const { box } = await bench.bring(bench.request(), Number.POSITIVE_INFINITY);
    await bench.ready(box);
    ready.push(clock.now() - startMs);
  };
  await Promise.all(Array.from({ length: sessions }, one));
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
    String(refused),
    fullest(calls),
  ];
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
