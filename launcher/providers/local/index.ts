import { mkdirSync, realpathSync } from 'node:fs';
import type { BoxLimits } from '../../contract/agent-config.ts';
import type { Clock, Random } from '../../ports/clock.ts';
import type { BoxRef, LaunchRequest, LaunchResult, SnapshotRequest, SnapshotStatus } from '../../ports/compute.ts';
import type { Provider } from '../../ports/provider.ts';
import type { Telemetry } from '../../ports/telemetry.ts';
import { accessBy, BoxAgent } from '../agent/agent.ts';
import type { BoxHandler } from './box-listener.ts';
import { findNodePty } from './box-spec.ts';
import { Boxes } from './boxes.ts';
import { findConfinement } from './confinement.ts';
import { Disks } from './disks.ts';
import { doctorChecks } from './doctor.ts';
import { chooseIsolation, type IsolationChoice, type IsolationName } from './isolation.ts';
import { Layout } from './layout.ts';
import { boxLogs } from './logs.ts';
import { connectToBox } from './sockets.ts';
import { Trees } from './trees.ts';

export interface LocalProviderOptions {
  /** Folder of this launcher's state; everything of the provider lies in `boxes`, `volumes` and `snapshots` in it. */
  stateDir: string;
  /** The agent as one file (dist/agent.cjs). */
  agentBundlePath: string;
  /** Folder `@lydell` with node-pty in it. @default found from the agent's bundle */
  nodePtyDir?: string;
  /** `auto` takes the strongest that works here and never `none`. @default 'auto' */
  isolation?: IsolationChoice;
  /** More of the host to show in boxes, read-only. Absolute paths. */
  extraReadOnlyPaths?: readonly string[];
  limits: BoxLimits;
  /** Longest that quiesce may take before the box counts as unreachable. @default 60 s */
  quiesceTimeoutMs?: number;
  /** Longest silence of an agent that is asked for something small. @default 10 s */
  answerTimeoutMs?: number;
  /** A frozen box thaws by itself after this time. @default 10 min */
  freezeMs?: number;
  clock: Clock;
  random: Random;
  telemetry: Telemetry;
  /** Serves `POST /boxes/register` and `/boxes/heartbeat` of the box that is named. */
  boxHandler: BoxHandler;
  /** A box has just been found to have ended: a hint to look at its session now. */
  onBoxGone?: (box: BoxRef, owner: string) => void;
}

export interface LocalProvider extends Provider {
  /** One step, always. */
  launch(request: LaunchRequest): Promise<LaunchResult>;
  readonly isolation: IsolationName;
}

const QUIESCE_TIMEOUT_MS = 60_000;
const FREEZE_MS = 600_000;
const ANSWER_TIMEOUT_MS = 10_000;

/**
 * Boxes as sandboxed processes of this machine.
 * @throws ComputeError fatal when boxes cannot be isolated here
 */
export async function createLocalProvider(options: LocalProviderOptions): Promise<LocalProvider> {
  mkdirSync(options.stateDir, { recursive: true, mode: 0o700 });
  const stateDir = realpathSync(options.stateDir);
  const isRoot = process.getuid?.() === 0;
  const isolation = await chooseIsolation(options.isolation ?? 'auto', isRoot);
  const layout = new Layout(stateDir);
  const trees = new Trees(stateDir, isRoot, isolation.name !== 'none', options.random);
  const confinement = findConfinement();
  const uid = isolation.identity.kind === 'drop' && isolation.name !== 'none' ? isolation.identity.uid : null;
  const { clock, telemetry, boxHandler, onBoxGone = () => {} } = options;
  const disks: Disks = new Disks({ layout, trees, clock, uid, inUse: (volumeId) => boxes.inUse(volumeId) });
  const spec = {
    isolation,
    agentBundlePath: realpathSync(options.agentBundlePath),
    nodePtyDir: options.nodePtyDir ?? findNodePty(options.agentBundlePath),
    extraReadOnlyPaths: options.extraReadOnlyPaths ?? [],
    limits: options.limits,
  };
  const boxes: Boxes = new Boxes({ layout, disks, clock, telemetry, confinement, spec, boxHandler, onBoxGone });
  const agentOf = (box: BoxRef) =>
    new BoxAgent(
      { connect: async () => connectToBox(boxes.agentSocket(box)) },
      { answerTimeoutMs: options.answerTimeoutMs ?? ANSWER_TIMEOUT_MS },
    );
  const once = onePerKey();
  return {
    name: 'local',
    storagePrices: null,
    pool: null,
    offers: { architectures: [process.arch === 'arm64' ? 'arm64' : 'x86_64'], instanceTypes: false, awsRole: false },
    isolation: isolation.name,
    doctorChecks: () => doctorChecks({ isolation, confinement, trees, nodePtyDir: spec.nodePtyDir, stateDir }),
    async start() {
      for (const detail of await disks.clear()) telemetry.warn({ op: 'disks.clear', outcome: 'error', detail });
      await boxes.adoptAll();
    },
    stop: async () => boxes.stop(),
    launch: (request) => once(`launch ${request.tags.operationId}`, (): Promise<LaunchResult> => boxes.launch(request)),
    observe: async (box) => boxes.observe(box),
    quiesce: async (box, operationId) => agentOf(box).quiesce(operationId, options.quiesceTimeoutMs ?? QUIESCE_TIMEOUT_MS),
    snapshot: (request) =>
      once(
        `snapshot ${request.tags.operationId}`,
        (): Promise<SnapshotStatus> => snapshot(disks, request.liveBox && agentOf(request.liveBox), request, options.freezeMs ?? FREEZE_MS),
      ),
    observeSnapshot: async (ref) => disks.observe(ref),
    // What is kept is the tree: the next launch starts a box on it.
    park: (box) => boxes.end(box),
    end: (box) => boxes.end(box),
    dropVolume: (volumeId) => disks.dropVolume(volumeId),
    dropSnapshot: (ref) => disks.dropSnapshot(ref),
    async list(of) {
      const [live, stored] = [boxes.list(), disks.list()];
      const items = [...live.items, ...stored.items].filter(({ tags }) => of === undefined || tags?.sessionId === of.sessionId);
      return { items, complete: live.complete && stored.complete };
    },
    ...accessBy(agentOf),
    logs: async (box, options) => boxLogs(boxes.known(box).log, options, () => boxes.observe(box) === 'gone'),
  };
}

/** Takes a snapshot; a box that is using the volume stands still meanwhile. */
async function snapshot(disks: Disks, agent: BoxAgent | null, request: SnapshotRequest, forMs: number): Promise<SnapshotStatus> {
  const { operationId } = request.tags;
  if (agent === null)
    return disks.snapshot(
      request,
      async () => {},
      async () => true,
    );
  let frozen = false;
  const thaw = async () => {
    frozen = false;
    return agent.thaw(operationId);
  };
  try {
    return await disks.snapshot(
      request,
      async () => {
        frozen = true;
        await agent.freeze(operationId, forMs);
      },
      thaw,
    );
  } finally {
    // It thaws by itself in the end; sooner is better.
    if (frozen) await thaw().catch(() => {});
  }
}

/** Calls with the same key at the same time are one call. */
function onePerKey() {
  const running = new Map<string, Promise<unknown>>();
  return <T>(key: string, work: () => Promise<T>): Promise<T> => {
    const known = running.get(key) as Promise<T> | undefined;
    if (known) return known;
    const promise = work().finally(() => running.delete(key));
    running.set(key, promise);
    return promise;
  };
}
