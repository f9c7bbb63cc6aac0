import { randomBytes } from 'node:crypto';
import type { LaunchRequest, SnapshotRequest } from '../../launcher/ports/compute.ts';
import { createLocalProvider } from '../../launcher/providers/local/index.ts';
import type { IsolationName } from '../../launcher/providers/local/isolation.ts';

/** What a launcher that is going to be killed does, as JSON in its argument. */
export interface VictimTask {
  stateDir: string;
  agentBundlePath: string;
  limits: Parameters<typeof createLocalProvider>[0]['limits'];
  freezeMs: number;
  isolation?: IsolationName;
  launch?: LaunchRequest;
  snapshot?: SnapshotRequest;
}

const task = JSON.parse(process.argv[2] ?? '{}') as VictimTask;
const provider = await createLocalProvider({
  stateDir: task.stateDir,
  agentBundlePath: task.agentBundlePath,
  limits: task.limits,
  freezeMs: task.freezeMs,
  isolation: task.isolation ?? 'auto',
  clock: { now: Date.now },
  random: { bytes: (length) => randomBytes(length) },
  telemetry: { info() {}, warn() {}, error() {}, count() {}, observe() {}, gauge() {} },
  boxHandler: async () => new Response('{}', { status: 503 }),
});
process.stdout.write('begin\n');
if (task.launch) await provider.launch(task.launch);
if (task.snapshot) await provider.snapshot(task.snapshot);
process.stdout.write('done\n');
// Alive until it is killed.
setInterval(() => {}, 1_000);
