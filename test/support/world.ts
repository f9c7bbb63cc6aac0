import { isDevctlError } from '../../launcher/contract/errors.ts';
import { NO_POOL } from '../../launcher/contract/pool.ts';
import type { SessionRecord, SnapshotRef } from '../../launcher/contract/records.ts';
import type { ControllerDeps } from '../../launcher/controllers/deps.ts';
import { reap } from '../../launcher/controllers/reaper.ts';
import { reconcile } from '../../launcher/controllers/reconcile.ts';
import { createSignals, type LocalSignals } from '../../launcher/controllers/signals.ts';
import { applyHeartbeat, applyRegister } from '../../launcher/core/heartbeat.ts';
import { LIMITS, type Limits } from '../../launcher/core/limits.ts';
import { NO_BUDGETS } from '../../launcher/core/statement.ts';
import { changeSession } from '../../launcher/ledger/sessions.ts';
import type { SessionKey, StorePort } from '../../launcher/ports/store.ts';
import { fakeAccess } from './fake-access.ts';
import { FakeCompute } from './fake-compute.ts';
import type { Files } from './fake-disks.ts';
import { CrashError, Life, ManualClock, RecordingTelemetry, SeededRandom } from './faults.ts';
import { Oracle } from './oracle.ts';
import { OWNER, Records } from './records.ts';
import type { Database } from './table.ts';

export { OWNER };

/** One launcher process: the ports as it sees them. */
export interface Launcher {
  life: Life;
  deps: ControllerDeps & { signals: LocalSignals };
}

export interface WorldOptions {
  seed?: number;
  limits?: Partial<Limits>;
  /** How often a box reports in the world's time. @default 5000 */
  beatMs?: number;
}

/** A provider and a table that outlive every launcher, a clock, and what users know of their files. */
export class World extends Records {
  readonly clock = new ManualClock();
  readonly random: SeededRandom;
  readonly compute: FakeCompute;
  readonly telemetry = new RecordingTelemetry();
  readonly oracle: Oracle;
  readonly limits: Limits;
  budgets = NO_BUDGETS;
  launcher: Launcher;
  /** Given to every new life, until it is taken away. */
  onNewLife: (life: Life) => void = () => {};
  crashes = 0;
  /** Boxes whose agent is silent: they do not register and send no heartbeat. */
  readonly mute = new Set<string>();

  private constructor(
    store: StorePort,
    readonly tableName: string,
    clock: ManualClock,
    options: WorldOptions,
  ) {
    super(store);
    this.clock = clock;
    this.random = new SeededRandom((options.seed ?? 1) ^ 0x5eed);
    this.limits = { ...LIMITS, ...options.limits };
    this.compute = new FakeCompute(clock);
    this.oracle = new Oracle(this);
    this.launcher = this.newLauncher();
  }

  static async open(database: Database, options: WorldOptions = {}): Promise<World> {
    const clock = new ManualClock();
    const { store, tableName } = await database.open(clock, new SeededRandom(options.seed ?? 1));
    // As a launcher does that finds nothing at its first start.
    await store.vouch();
    return new World(store, tableName, clock, options);
  }

  /** The table is gone, and a launcher that starts makes another one. */
  async loseTable(database: Database): Promise<void> {
    this.store = (await database.open(this.clock, this.random)).store;
    this.launcher = this.newLauncher();
  }

  newLauncher(): Launcher {
    const life = new Life();
    this.onNewLife(life);
    const deps = {
      store: life.wrap('store', this.store),
      compute: life.wrap('compute', this.compute),
      access: fakeAccess(this.compute),
      clock: this.clock,
      signals: createSignals(),
      telemetry: this.telemetry,
      limits: this.limits,
      budgets: this.budgets,
      pool: NO_POOL,
      boxToken: (session: SessionKey, generation: number) => `token of ${session.id} ${generation}`,
    };
    return { life, deps };
  }

  /** Runs something in the launcher; when that dies, a new one takes up what is in the table, and does it again. */
  async act<T>(run: (deps: Launcher['deps']) => Promise<T>): Promise<T> {
    for (let lives = 0; lives < 10; lives += 1) {
      const { deps, life } = this.launcher;
      try {
        return await run(deps);
      } catch (error) {
        if (isRefusal(error) && !life.dead) throw error;
        this.#revive();
        this.clock.advance(1000);
      }
    }
    throw new Error('it fails in every life');
  }

  #revive(): void {
    if (!this.launcher.life.dead) return;
    this.crashes += 1;
    this.launcher = this.newLauncher();
  }

  /** Every box says what an agent would say now. */
  async beat(): Promise<void> {
    for (const box of this.compute.running()) {
      if (this.mute.has(box.id)) continue;
      const session = await this.store.getSession({ owner: OWNER, id: box.tags.sessionId });
      if (session === null || session.generation !== box.tags.generation || session.box?.id !== box.id) continue;
      if (session.phase === 'ready') this.compute.reopen(box.id);
      const workspace = await this.store.getWorkspace(OWNER, session.workspace);
      const identity = { sessionId: session.id, generation: box.tags.generation };
      const heartbeat = { ...identity, state: 'ready' as const, contentPresent: false, evidence: [] };
      try {
        const ledger = { ...this.launcher.deps, store: this.store };
        await changeSession(ledger, session, (current) => {
          const nowMs = this.clock.now();
          if (current.phase === 'bootstrapping' && current.box?.registeredAt === null)
            return applyRegister(current, workspace, { ...identity, agentVersion: '1', bootId: 'b' }, nowMs, this.limits);
          return applyHeartbeat(current, workspace, heartbeat, nowMs, this.limits);
        });
      } catch (error) {
        if (!isDevctlError(error)) throw error;
      }
    }
  }

  /** One look of the launcher at one session. @returns when it wants to look again, or null when the session is over */
  async look(id: string, launcher: Launcher = this.launcher): Promise<number | null> {
    try {
      return await reconcile(launcher.deps, { owner: OWNER, id });
    } catch (error) {
      if (launcher === this.launcher) this.#revive();
      else if (!(error instanceof CrashError)) throw error;
      return this.clock.now() + 1000;
    }
  }

  /**
   * Lets time pass until nothing more happens by itself: every session is over, or ready with nothing to do. Throws when
   * that does not come about.
   */
  async settle(options: { rounds?: number; until?: (sessions: SessionRecord[]) => boolean } = {}): Promise<void> {
    for (let round = 0; round < (options.rounds ?? 400); round += 1) {
      await this.beat();
      let nextMs = Number.POSITIVE_INFINITY;
      for (const { id } of await this.live()) nextMs = Math.min(nextMs, (await this.look(id)) ?? Number.POSITIVE_INFINITY);
      await this.oracle.check();
      const sessions = await this.live();
      if (options.until?.(sessions) ?? sessions.every(isResting)) return;
      this.clock.advance(Math.max(1, Math.min(nextMs - this.clock.now(), 15_000)));
    }
    const stuck = (await this.live()).map(({ id, phase, desired, op, snapshot }) => ({ id, phase, desired, op, snapshot }));
    throw new Error(`P: it does not settle: ${JSON.stringify(stuck)}`);
  }

  /** Time passes, with boxes that report, until the condition holds. */
  async pass(ms: number, stepMs = 15_000): Promise<void> {
    const endMs = this.clock.now() + ms;
    while (this.clock.now() < endMs) {
      this.clock.advance(Math.min(stepMs, endMs - this.clock.now()));
      await this.beat();
      for (const { id } of await this.live()) await this.look(id);
      await this.oracle.check();
    }
  }

  async reap(dryRun = false): Promise<Awaited<ReturnType<typeof reap>>> {
    return this.act((deps) => reap(deps, { dryRun }));
  }

  forget(workspaceId: string): void {
    this.compute.disks.forgotten.add(workspaceId);
  }

  async filesOf(sessionId: string): Promise<Files> {
    return this.oracle.truth((await this.session(sessionId)).workspaceId);
  }

  contentOfHead(head: SnapshotRef): Files {
    return this.compute.disks.restore(head);
  }
}

export const isResting = ({ phase, desired, checkpoint, snapshot, op }: SessionRecord): boolean =>
  checkpoint === null &&
  snapshot === null &&
  ((phase === 'ready' && desired === 'ready') || (phase === 'parked' && desired === 'parked' && op === null));

const isRefusal = (error: unknown): boolean => isDevctlError(error) && error.code !== 'conflict';
