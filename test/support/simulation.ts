import { isDevctlError } from '../../launcher/contract/errors.ts';
import type { SessionRecord } from '../../launcher/contract/records.ts';
import { expectNothingLeft } from './checks.ts';
import type { FaultMode, Life } from './faults.ts';
import { SeededRandom } from './faults.ts';
import type { Database } from './table.ts';
import { Users } from './users.ts';
import { OWNER, World } from './world.ts';

const NAMES = ['shop', 'blog', 'fork'];
const KINDS = ['transient', 'busy', 'capacity', 'unreachable', 'disk_full', 'fatal'] as const;
const OPS = ['launch', 'quiesce', 'snapshot', 'observeSnapshot', 'observe', 'park', 'end', 'dropVolume', 'dropSnapshot', 'list'];

/** One world of random users and faults. Everything in it follows from the seed. */
export class Simulation {
  readonly random: SeededRandom;
  readonly log: string[] = [];
  readonly world: World;
  readonly users: Users;
  #writes = 0;
  #calm = false;

  private constructor(world: World, seed: number) {
    this.world = world;
    this.random = new SeededRandom(seed);
    this.users = new Users(world);
    world.onNewLife = (life) => this.#arm(life);
    this.#arm(world.launcher.life);
  }

  static async open(database: Database, seed: number): Promise<Simulation> {
    return new Simulation(await World.open(database, { seed }), seed);
  }

  #arm(life: Life): void {
    const modes: FaultMode[] = ['before', 'after', 'lost'];
    life.fault = (label) => {
      if (this.#calm || !this.random.chance(0.01)) return null;
      const mode = this.random.pick(modes);
      this.log.push(`${mode} ${label}`);
      return mode;
    };
  }

  /** Steps with faults; then none any more, and everything must come to rest with nothing lost and nothing left. */
  async run(steps: number): Promise<void> {
    for (let step = 0; step < steps; step += 1) {
      await this.#step();
      await this.world.oracle.check();
    }
    this.#calm = true;
    this.log.push('faults stop');
    const { compute } = this.world;
    compute.faults.clear();
    compute.blind = false;
    compute.partial = false;
    compute.disks.plan = { looks: 1, outcome: 'completed' };
    await this.world.settle();
    for (const { id, phase } of await this.world.live()) if (phase === 'ready' || phase === 'parked') await this.users.down(id);
    await expectNothingLeft(this.world);
  }

  async #step(): Promise<void> {
    const actions = [
      this.#up,
      this.#up,
      this.#write,
      this.#write,
      this.#down,
      this.#checkpoint,
      this.#fork,
      this.#restore,
      this.#look,
      this.#look,
      this.#look,
      this.#look,
      this.#two,
      this.#time,
      this.#fault,
      this.#lose,
      this.#interrupt,
      this.#park,
      this.#wake,
      this.#reap,
      this.#delete,
    ];
    const action = this.random.pick(actions);
    try {
      await action.call(this);
    } catch (error) {
      // A user is told no: that is an answer.
      if (!isDevctlError(error)) throw error;
      this.log.push(`  refused: ${error.code}`);
    }
  }

  async #session(): Promise<SessionRecord | null> {
    const live = await this.world.live();
    return live.length === 0 ? null : this.random.pick(live);
  }

  async #up(): Promise<void> {
    const name = this.random.pick(NAMES.slice(0, 2));
    this.log.push(`up ${name}`);
    await this.users.up(name, { idleTtlMs: 600_000, persistent: this.random.chance(0.4) });
    await this.#look();
  }

  async #write(): Promise<void> {
    const session = await this.#session();
    const box = this.world.compute.boxes.get(session?.box?.id ?? '');
    if (session?.phase !== 'ready' || box?.state !== 'running' || box.quiet !== null) return;
    this.#writes += 1;
    const path = this.random.pick(['a', 'b', 'c']);
    this.log.push(`write ${session.workspace} ${path}=${this.#writes}`);
    await this.users.write(session.id, path, String(this.#writes));
  }

  async #down(): Promise<void> {
    const session = await this.#session();
    if (session === null) return;
    this.log.push(`down ${session.workspace} (${session.phase})`);
    await this.users.down(session.id);
    if (this.random.chance(0.5)) await this.#rounds(4);
  }

  async #checkpoint(): Promise<void> {
    const session = await this.#session();
    if (session === null) return;
    this.log.push(`checkpoint ${session.workspace} (${session.phase})`);
    await this.users.checkpoint(session.id);
  }

  async #fork(): Promise<void> {
    const source = this.random.pick(NAMES);
    if ((await this.world.store.getWorkspace(OWNER, source)) === null) return;
    this.log.push(`fork ${source}`);
    await this.users.fork(source, 'fork');
    await this.users.up('fork');
  }

  async #restore(): Promise<void> {
    const name = this.random.pick(NAMES);
    const workspace = await this.world.store.getWorkspace(OWNER, name);
    if (workspace === null || workspace.deleting) return;
    const { items } = await this.world.store.listSnapshots(OWNER, workspace.id, { limit: 20, after: null });
    if (items.length === 0) return;
    const { id } = this.random.pick(items);
    this.log.push(`restore ${name} ${id}`);
    await this.users.restore(name, id);
  }

  async #delete(): Promise<void> {
    if (!this.random.chance(0.3)) return;
    const name = this.random.pick(NAMES);
    if ((await this.world.store.getWorkspace(OWNER, name)) === null) return;
    this.log.push(`delete ${name}`);
    await this.users.delete(name);
  }

  async #rounds(count: number): Promise<void> {
    for (let round = 0; round < count; round += 1) {
      await this.world.beat();
      for (const { id } of await this.world.live()) await this.world.look(id);
      this.world.clock.advance(this.random.pick([10, 500, 3000]));
    }
  }

  async #look(): Promise<void> {
    await this.#rounds(2);
  }

  /** Another launcher looks at the same sessions at the same time. */
  async #two(): Promise<void> {
    this.log.push('two launchers');
    const other = this.world.newLauncher();
    other.life.fault = () => null;
    const live = await this.world.live();
    await Promise.all(live.map(({ id }) => Promise.all([this.world.look(id), this.world.look(id, other).catch(() => null)])));
  }

  async #time(): Promise<void> {
    const ms = this.random.pick([-60_000, 20_000, 300_000, 1_200_000, 9_000_000]);
    this.log.push(`time ${ms}`);
    this.world.clock.advance(ms);
    await this.#look();
  }

  async #fault(): Promise<void> {
    const { compute } = this.world;
    const dice = this.random.below(10);
    if (dice === 0) compute.blind = !compute.blind;
    else if (dice === 1) compute.partial = !compute.partial;
    else if (dice < 4) compute.disks.plan = { looks: this.random.below(4), outcome: this.random.chance(0.7) ? 'completed' : 'error' };
    else {
      const how = this.random.pick(['refused', 'lost'] as const);
      compute.faults.add({ op: this.random.pick(OPS), kind: this.random.pick(KINDS), how, times: 1 + this.random.below(4) });
    }
    this.log.push(`fault ${dice} blind=${compute.blind} ${JSON.stringify(compute.disks.plan)}`);
  }

  async #lose(): Promise<void> {
    const boxes = this.world.compute.running();
    if (boxes.length === 0 || this.random.chance(0.5)) return;
    const box = this.random.pick(boxes);
    this.log.push(`lose ${box.tags.workspace}`);
    this.world.compute.lose(box.id);
  }

  async #interrupt(): Promise<void> {
    const session = await this.#session();
    if (session === null) return;
    this.log.push(`interrupt ${session.workspace} (${session.phase})`);
    await this.users.interrupt(session.id, this.random.below(120_000));
  }

  async #park(): Promise<void> {
    const session = await this.#session();
    if (session === null) return;
    this.log.push(`park ${session.workspace} (${session.phase})`);
    this.world.compute.keepsMachines = this.random.chance(0.7);
    await this.users.park(session.id);
    if (this.random.chance(0.7)) await this.#rounds(4);
  }

  async #wake(): Promise<void> {
    const session = (await this.world.live()).find(({ desired }) => desired === 'parked');
    if (session === undefined) return;
    this.log.push(`wake ${session.workspace} (${session.phase})`);
    await this.users.wake(session.id);
    await this.#rounds(2);
  }

  async #reap(): Promise<void> {
    this.log.push('reap');
    await this.world.reap();
  }
}
