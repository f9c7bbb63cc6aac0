import { isDevctlError } from '../../launcher/contract/errors.ts';
import { idTimeMs } from '../../launcher/contract/fields.ts';
import { NO_POOL, type PoolPlan } from '../../launcher/contract/pool.ts';
import type { PoolBoxRecord, SessionRecord, SnapshotRef } from '../../launcher/contract/records.ts';
import { createPoolKeeper } from '../../launcher/controllers/pool.ts';
import { reap } from '../../launcher/controllers/reaper.ts';
import { reconcile } from '../../launcher/controllers/reconcile.ts';
import { createSignals } from '../../launcher/controllers/signals.ts';
import { applyHeartbeat, applyRegister } from '../../launcher/core/heartbeat.ts';
import { LIMITS } from '../../launcher/core/limits.ts';
import { NO_BUDGETS } from '../../launcher/core/statement.ts';
import { changeSession } from '../../launcher/ledger/sessions.ts';
import type { AccessPort } from '../../launcher/ports/access.ts';
import type { SessionKey, StorePort } from '../../launcher/ports/store.ts';
import type { Ec2ProviderOptions } from '../../launcher/providers/ec2/index.ts';
import { readTags } from '../../launcher/providers/ec2/tags.ts';
import type { TemplateSource, Templates } from '../../launcher/providers/ec2/templates.ts';
import type { Files } from '../support/fake-disks.ts';
import { Life, RecordingTelemetry, SeededRandom } from '../support/faults.ts';
import { Records } from '../support/records.ts';
import type { Database } from '../support/table.ts';
import type { Stage } from '../support/users.ts';
import { isResting, type Launcher, OWNER } from '../support/world.ts';
import { textsOf } from './disks.ts';
import { DEPLOYMENT, machineOf, providerOn, SimulatedChannel, stackOn, stackTemplates, templatesOn } from './ec2-subject.ts';
import { Invariants } from './invariants.ts';
import { SimulatedMachine } from './simulated-machine.ts';
import { tagList } from './tags.ts';
import { SimulatedAws } from './world.ts';

const BEAT_MS = 2000;

const nobody = async (): Promise<never> => {
  throw new Error('nobody reaches into a simulated box');
};

/** The real controllers, the real store code and the real provider in a simulated account, with boxes that report. */
export class Ec2World extends Records implements Stage {
  readonly aws: SimulatedAws;
  readonly limits = LIMITS;
  budgets = NO_BUDGETS;
  readonly random = new SeededRandom(11);
  readonly channel: SimulatedChannel;
  readonly telemetry = new RecordingTelemetry();
  readonly invariants: Invariants;
  #templates: Templates | TemplateSource;
  readonly #provider: Partial<Ec2ProviderOptions>;
  /** What each workspace's owner wrote. */
  readonly #truth = new Map<string, Files>();
  readonly #forgotten = new Set<string>();
  launcher: Launcher;
  onNewLife: (life: Life) => void = () => {};
  crashes = 0;
  pool: PoolPlan = NO_POOL;

  private constructor(aws: SimulatedAws, store: StorePort, templates: Templates | TemplateSource, provider: Partial<Ec2ProviderOptions>) {
    // Virtual time stands still while the database works.
    super(outside(store, aws));
    this.aws = aws;
    this.channel = new SimulatedChannel(aws);
    this.#templates = templates;
    this.#provider = provider;
    this.invariants = new Invariants(aws.cloud, (tags) => {
      const read = readTags(tagList(tags), DEPLOYMENT);
      if (read === null) return null;
      // Sessions follow each other, and each begins with generation 1.
      const generation = read.sessionId === null ? null : (idTimeMs(read.sessionId) ?? 0) * 100 + (read.generation ?? 0);
      return { workspace: read.workspaceId, generation };
    });
    this.launcher = this.newLauncher();
  }

  /** @param options hasStack: the launcher launches by the templates of a stack, as the one in Lambda does */
  static async open(
    database: Database,
    options: { seed?: number; provider?: Partial<Ec2ProviderOptions>; hasStack?: boolean } = {},
  ): Promise<Ec2World> {
    const aws = new SimulatedAws({ boot: SimulatedMachine.boot(), seed: options.seed ?? 1 });
    aws.cloud.pools.quotas.spotVcpus = 64;
    const { store } = await database.open(aws.cloud.clock, new SeededRandom(options.seed ?? 1));
    // As a launcher does that finds nothing at its first start.
    await store.vouch();
    if (options.hasStack) await stackOn(aws);
    const templates = options.hasStack ? stackTemplates(aws) : await templatesOn(aws);
    return new Ec2World(aws, store, templates, options.provider ?? {});
  }

  get clock() {
    return this.aws.cloud.clock;
  }

  get oracle() {
    return {
      write: (session: SessionRecord, path: string, text: string) => this.#write(session, path, text),
      set: (workspaceId: string, files: Files) => void this.#truth.set(workspaceId, { ...files }),
    };
  }

  /** The table is gone, and a launcher that starts makes another one. */
  async loseTable(database: Database): Promise<void> {
    this.store = outside((await database.open(this.clock, this.random)).store, this.aws);
    this.launcher = this.newLauncher();
  }

  newLauncher(): Launcher {
    const life = new Life();
    this.onNewLife(life);
    const provider = providerOn(this.aws, this.#templates, {
      ec2: life.wrap('ec2', this.aws.ec2),
      channel: this.channel,
      ...this.#provider,
    });
    const access: AccessPort = {
      exec: nobody,
      putFiles: nobody,
      getFiles: nobody,
      importSource: nobody,
      logs: nobody,
      poke: async (box) => machineOf(this.aws, box)?.reopen(),
    };
    const deps = {
      store: life.wrap('store', this.store),
      compute: provider,
      access,
      clock: this.clock,
      signals: createSignals(),
      telemetry: this.telemetry,
      limits: this.limits,
      budgets: this.budgets,
      pool: this.pool,
      boxToken: (session: SessionKey, generation: number) => `box-token-canary of ${session.id} ${generation}`,
    };
    return { life, deps };
  }

  /** Runs something in the launcher; when that dies, a new one does it again. */
  async act<T>(run: (deps: Launcher['deps']) => Promise<T>): Promise<T> {
    for (let lives = 0; lives < 10; lives += 1) {
      const { deps, life } = this.launcher;
      try {
        return await this.clock.run(run(deps));
      } catch (error) {
        if (isDevctlError(error) && error.code !== 'conflict' && !life.dead) throw error;
        this.#revive();
        await this.clock.pass(1000);
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
    for (const session of await this.live()) {
      if (session.box === null) continue;
      const identity = { sessionId: session.id, generation: session.generation };
      const machine = machineOf(this.aws, { boxId: session.box.id, ...identity });
      if (machine === null || machine.state === 'waiting' || machine.state === 'off') continue;
      if (session.phase === 'ready') machine.reopen();
      const workspace = await this.store.getWorkspace(OWNER, session.workspace);
      const failure = machine.problem === null ? undefined : { code: 'workspace_quarantined' as const, detail: machine.problem };
      const notice = machine.host.imds.instanceAction();
      const interruptionInMs = notice === null ? undefined : Math.max(0, Date.parse(notice.time) - this.clock.now());
      const state = machine.state === 'quiet' ? ('quiesced' as const) : ('ready' as const);
      const heartbeat = {
        ...identity,
        state,
        contentPresent: false,
        evidence: [],
        ...(failure && { failure }),
        ...(interruptionInMs !== undefined && { interruptionInMs }),
      };
      try {
        await changeSession({ ...this.launcher.deps, store: this.store }, session, (current) => {
          const nowMs = this.clock.now();
          if (current.phase === 'bootstrapping' && current.box?.registeredAt === null && failure === undefined)
            return applyRegister(current, workspace, { ...identity, agentVersion: '1', bootId: 'b' }, nowMs, this.limits);
          return applyHeartbeat(current, workspace, heartbeat, nowMs, this.limits);
        });
      } catch (error) {
        if (!isDevctlError(error)) throw error;
      }
    }
  }

  async look(id: string): Promise<number | null> {
    const { deps } = this.launcher;
    try {
      return await this.clock.run(reconcile(deps, { owner: OWNER, id }));
    } catch {
      this.#revive();
      return this.clock.now() + 1000;
    }
  }

  /** Lets time pass until every session is over, or ready with nothing to do. */
  async settle(options: { rounds?: number; until?: (sessions: SessionRecord[]) => boolean } = {}): Promise<void> {
    for (let round = 0; round < (options.rounds ?? 1500); round += 1) {
      await this.beat();
      let nextMs = Number.POSITIVE_INFINITY;
      for (const { id } of await this.live()) nextMs = Math.min(nextMs, (await this.look(id)) ?? Number.POSITIVE_INFINITY);
      this.check();
      const sessions = await this.live();
      if (options.until?.(sessions) ?? sessions.every(isResting)) return;
      await this.clock.pass(Math.max(1, Math.min(nextMs - this.clock.now(), BEAT_MS)));
    }
    const stuck = (await this.live()).map(({ id, phase, op, snapshot, providerState }) => ({ id, phase, op, snapshot, providerState }));
    throw new Error(`P: it does not settle: ${JSON.stringify(stuck)}`);
  }

  /** What the launcher does each minute. */
  async reap(): Promise<Awaited<ReturnType<typeof reap>>> {
    const result = await this.act((deps) => reap(deps, { dryRun: false }));
    await this.tend();
    return result;
  }

  /** A launcher starts that launches from another image. */
  async newImage(): Promise<void> {
    this.#templates = await templatesOn(this.aws, this.aws.ec2, 'https://devctl-2.example.com');
    this.launcher = this.newLauncher();
  }

  tend(): Promise<void> {
    return this.act((deps) => createPoolKeeper({ ...deps, random: this.random }).tend());
  }

  /** As a launcher that is started with this pool. */
  keepPool(base: number, patch: Partial<PoolPlan> = {}): void {
    this.pool = { boxSize: 'small', base, windows: [], ...patch };
    this.launcher.deps.pool = this.pool;
  }

  async poolBoxes(): Promise<PoolBoxRecord[]> {
    return (await this.store.listPoolBoxes({ limit: 200, after: null })).items;
  }

  /** Minutes go by until all the boxes of the pool are as they are to be. */
  async filled(count = this.pool.base): Promise<PoolBoxRecord[]> {
    for (let minute = 0; minute < 60; minute += 1) {
      await this.tend();
      this.check();
      const boxes = (await this.poolBoxes()).filter(({ phase }) => phase !== 'claimed');
      if (boxes.length === count && boxes.every(({ phase }) => phase === 'ready')) return boxes;
      await this.clock.pass(60_000);
    }
    throw new Error(`P: the pool does not fill: ${JSON.stringify(await this.poolBoxes())}`);
  }

  /** What must hold at every moment. */
  check(): void {
    const broken = this.invariants.broken().filter((words) => ![...this.#forgotten].some((id) => words.includes(id)));
    if (broken.length > 0) throw new Error(broken.join('\n'));
  }

  forget(workspaceId: string): void {
    this.#forgotten.add(workspaceId);
    this.invariants.forget(workspaceId);
  }

  truth(workspaceId: string): Files {
    return this.#truth.get(workspaceId) ?? {};
  }

  async filesOf(sessionId: string): Promise<Files> {
    return this.truth((await this.session(sessionId)).workspaceId);
  }

  contentOfHead(head: SnapshotRef): Files {
    const name = `${head.workspaceId}/${head.id}`;
    const found = this.aws.cloud.snapshots.all().filter(({ tags, state }) => tags['devctl:snapshot'] === name && state === 'completed');
    if (found[0] === undefined) throw new Error(`W: there is no whole snapshot ${name}`);
    return textsOf(found[0].image.files);
  }

  /** The machine of a session's box. */
  async machine(sessionId: string): Promise<SimulatedMachine> {
    const { box, generation } = await this.session(sessionId);
    const machine = machineOf(this.aws, { boxId: box?.id ?? '', sessionId, generation });
    if (machine === null) throw new Error(`${sessionId} has no machine`);
    return machine;
  }

  /** What the box of a ready session shows is what its owner wrote. */
  async expectContent(sessionId: string): Promise<void> {
    const { workspaceId } = await this.session(sessionId);
    const found = JSON.stringify(Object.entries((await this.machine(sessionId)).files()).sort());
    const wanted = JSON.stringify(Object.entries(this.truth(workspaceId)).sort());
    if (found !== wanted) throw new Error(`W: the box of ${sessionId} has ${found}; its owner wrote ${wanted}`);
  }

  /** Flushed: from now on it must survive everything. */
  #write(session: SessionRecord, path: string, text: string): void {
    const box = { boxId: session.box?.id ?? '', sessionId: session.id, generation: session.generation };
    const machine = machineOf(this.aws, box);
    if (machine === null) throw new Error(`box ${box.boxId} takes no writes`);
    machine.write(path, text);
    machine.flush();
    this.#truth.set(session.workspaceId, { ...this.truth(session.workspaceId), [path]: text });
    this.invariants.promise(session.workspaceId, { [path]: text });
  }
}

function outside(store: StorePort, aws: SimulatedAws): StorePort {
  return new Proxy(store, {
    get: (target, property) => {
      const value: unknown = Reflect.get(target, property);
      if (typeof value !== 'function') return value;
      return (...args: unknown[]) => aws.cloud.clock.outside(async () => value.apply(target, args));
    },
  });
}
