import type { SessionRecord } from '../launcher/contract/records.ts';
import { machineOf } from '../test/sim/ec2-subject.ts';
import { Ec2World } from '../test/sim/ec2-world.ts';
import type { Call } from '../test/sim/ledger.ts';
import { isMutating } from '../test/sim/ledger.ts';
import { type Database, openDatabase } from '../test/support/table.ts';
import { Users } from '../test/support/users.ts';
import { atOnceNotes } from './ec2-at-once.ts';
import { byScript } from './ec2-script.ts';
import { assertGoingOn } from './interruption.ts';
import { type Row, ratiosOf, rowOf, type Section } from './measure.ts';

const WORKSPACE_GIB = 60;
const LOOK_MS = 20;

/** One way from `POST /sessions` to ready. `floorMs`: the same without everything that could be left out. */
interface Way {
  ms: number;
  floorMs: number;
}

/** `pool`: restored in a box of the pool; `pool, warm`: with the warm volume in one. */
const KINDS = ['cold', 'restore', 'warm', 'pool', 'pool, warm'] as const;
type Kind = (typeof KINDS)[number];

/** Lives of one seed each, in virtual time: the real controllers, store and provider in an account that is as slow as AWS says it is. */
export async function ec2Section({ quick }: { quick: boolean }): Promise<Section> {
  const database = await openDatabase();
  try {
    const ways: Record<Kind, Way[]> = { cold: [], restore: [], warm: [], pool: [], 'pool, warm': [] };
    const rescues: number[] = [];
    const scripted: number[] = [];
    const counts: Counts[] = [];
    for (let seed = 1; seed <= (quick ? 3 : 40); seed += 1) {
      assertGoingOn();
      const life = await oneLife(database, seed);
      for (const kind of KINDS) ways[kind].push(life.ways[kind]);
      rescues.push(life.rescueMs);
      counts.push(life.counts);
      scripted.push(life.scriptMs);
    }
    const rows: Row[] = [
      ...KINDS.flatMap((kind) => [
        rowOf(
          `${kind}: ready`,
          ways[kind].map(({ ms }) => ms),
        ),
        rowOf(
          `${kind}: floor`,
          ways[kind].map(({ floorMs }) => floorMs),
        ),
      ]),
      rowOf('interruption to ready', rescues),
      rowOf('the script: ready', scripted),
    ];
    const ratios = ratiosOf(rows, [
      ['cold: ready', 'cold: floor', 1.05],
      ['restore: ready', 'restore: floor', 1.05],
      ['warm: ready', 'warm: floor', 1.05],
      ['pool: ready', 'pool: floor', 1.05],
      ['pool, warm: ready', 'pool, warm: floor', 1.05],
      ['restore: ready', 'the script: ready', 0.33],
    ]);
    return {
      title: 'EC2, simulated, in virtual time',
      rows,
      ratios,
      notes: [...notesOf(counts), ...(await atOnceNotes(quick))],
      missing: [],
    };
  } finally {
    await database.close();
  }
}

interface Counts {
  toReady: number;
  describesToReady: number;
  lifecycle: number;
  pool: number;
  poolWarm: number;
}

async function oneLife(database: Database, seed: number) {
  const world = await Ec2World.open(database, { seed, provider: { volumeGiB: WORKSPACE_GIB } });
  // Nothing goes wrong here: how long a good day takes.
  world.aws.cloud.faults.clear();
  const stage = new LifeOnStage(world);
  const cold = await stage.up();
  await stage.down();
  const warm = await stage.up();
  await stage.down();
  await world.clock.pass(world.limits.keepVolumeMs + world.limits.orphanGraceMs);
  await stage.dropped();
  const from = world.aws.cloud.ledger.calls.length;
  const restore = await stage.up();
  const toReady = world.aws.cloud.ledger.calls.slice(from);
  const rescueMs = await stage.interrupted();
  await stage.down();
  await world.clock.pass(world.limits.keepVolumeMs + world.limits.orphanGraceMs);
  await stage.dropped();
  const fromLife = world.aws.cloud.ledger.calls.length;
  await stage.up();
  await stage.down();
  await world.clock.pass(world.limits.keepVolumeMs + world.limits.orphanGraceMs);
  await stage.dropped();
  const life = world.aws.cloud.ledger.calls.slice(fromLife);
  const pool = await pooled(world, stage);
  const counts: Counts = {
    pool: pool.calls,
    poolWarm: pool.warmCalls,
    toReady: mutating(toReady),
    describesToReady: toReady.length - mutating(toReady),
    lifecycle: mutating(life),
  };
  const ways: Record<Kind, Way> = { cold, warm, restore, pool: pool.restored, 'pool, warm': pool.warm };
  return { ways, rescueMs, counts, scriptMs: await byScript(world.aws, WORKSPACE_GIB) };
}

/** A box of the pool for a workspace that is restored, and for one whose volume is warm. */
async function pooled(world: Ec2World, stage: LifeOnStage) {
  const { ledger } = world.aws.cloud;
  const counted = async () => {
    await world.filled();
    const from = ledger.calls.length;
    const way = await stage.up();
    const calls = mutating(ledger.calls.slice(from));
    if (ledger.calls.slice(from).some(({ op }) => op === 'createFleet')) throw new Error('a session did not take the box of the pool');
    await stage.down();
    return { way, calls };
  };
  world.keepPool(1);
  const restored = await counted();
  const warm = await counted();
  world.keepPool(0);
  await world.reap();
  return { restored: restored.way, calls: restored.calls, warm: warm.way, warmCalls: warm.calls };
}

const mutating = (calls: readonly Call[]): number => calls.filter(({ op }) => isMutating(op)).length;

/** One workspace in a simulated world, with moments taken when they happen. */
class LifeOnStage {
  readonly #world: Ec2World;
  readonly #users: Users;
  #id = '';

  constructor(world: Ec2World) {
    this.#world = world;
    this.#users = new Users(world);
  }

  async up(): Promise<Way> {
    const { clock, aws } = this.#world;
    const startMs = clock.now();
    const runningMs = new Map<string, number>();
    const stop = clock.every(LOOK_MS, () => {
      for (const { id, state } of aws.cloud.instances.all()) if (state === 'running' && !runningMs.has(id)) runningMs.set(id, clock.now());
    });
    this.#id = await this.#users.up('shop');
    const upMs = await this.#ready(1);
    stop();
    const { box } = await this.#world.session(this.#id);
    // The first call that cannot be left out: of a box of the pool its tags, which come before it is started.
    const first = [...aws.cloud.ledger.of('createFleet'), ...aws.cloud.ledger.of('createTags')].filter(({ atMs }) => atMs >= startMs);
    const launch = Math.max(startMs, ...first.map(({ atMs }) => atMs));
    const attach = aws.cloud.ledger.of('attachVolume').find(({ atMs }) => atMs >= startMs);
    // A volume can be attached once its machine runs: until the call is made nobody had to wait.
    const idleMs = attach === undefined ? 0 : Math.max(0, attach.atMs - (runningMs.get(box?.id ?? '') ?? attach.atMs));
    return { ms: clock.now() - startMs, floorMs: upMs - launch - idleMs };
  }

  async down(): Promise<void> {
    await this.#users.write(this.#id, 'a', `${this.#world.clock.now()}`);
    await this.#users.down(this.#id);
    await this.#world.settle({ until: (sessions) => !sessions.some(({ id }) => id === this.#id) });
  }

  /** The warm volume is let go. */
  async dropped(): Promise<void> {
    for (let pass = 0; pass < 4; pass += 1) {
      await this.#world.reap();
      await this.#world.clock.pass(120_000);
    }
  }

  /** From the notice of two minutes to the next box. */
  async interrupted(): Promise<number> {
    const { box, generation } = await this.#world.session(this.#id);
    await this.#users.write(this.#id, 'b', 'b');
    const startMs = this.#world.clock.now();
    this.#world.aws.hands.interrupt(box?.id ?? '');
    await this.#ready(generation + 1);
    return this.#world.clock.now() - startMs;
  }

  /** Goes on as the launcher does: at once when a box reports, else when something is due. @returns when the box was up */
  async #ready(generation: number): Promise<number> {
    const { clock } = this.#world;
    for (let upMs = clock.now(); ; ) {
      await this.#world.beat();
      const nextMs = (await this.#world.look(this.#id)) ?? clock.now() + 1000;
      const session = await this.#world.session(this.#id);
      if (session.phase === 'ready' && session.generation >= generation) return upMs;
      if (session.phase === 'failed') throw new Error(`a session failed on a good day: ${session.failure?.detail}`);
      const isUp = () => session.box?.registeredAt === null && this.#state(session) === 'ready';
      clock.after(Math.max(1, nextMs - clock.now()), () => {});
      await clock.until(() => clock.now() >= nextMs || isUp());
      if (isUp()) upMs = clock.now();
    }
  }

  #state({ id, generation, box }: SessionRecord): string | undefined {
    return machineOf(this.#world.aws, { boxId: box?.id ?? '', sessionId: id, generation })?.state;
  }
}

function notesOf(counts: readonly Counts[]): string[] {
  const most = (of: (each: Counts) => number) => Math.max(...counts.map(of));
  return [
    `${WORKSPACE_GIB} GiB workspace. Floor: the launch call, the machine's start, its boot and its disk, of the very same machines. The script: run-instances, create-volume, attach-volume, Session Manager, with the waiters of the SDK.`,
    `A box of the pool is a stopped machine: its floor is its tags, its start, its boot and its disk. Calls that change something, at most: ${most(({ poolWarm }) => poolWarm)} with a warm volume, ${most(({ pool }) => pool)} with one that is restored (AttachVolume is asked for again when a describe lags); 2 to put a box into the pool.`,
    `Calls that change something, at most: ${most(({ toReady }) => toReady)} to get a box (aim ≤ 3), ${most(({ lifecycle }) => lifecycle)} for a life of up, down and the end of the warm volume (aim ≤ 6). Describes to get a box, at most: ${most(({ describesToReady }) => describesToReady)}.`,
  ];
}
