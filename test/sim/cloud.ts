import type { Instance, Snapshot, SpotInstanceRequest, Volume } from '@aws-sdk/client-ec2';
import { Buckets } from './buckets.ts';
import { Pools } from './capacity.ts';
import { ACCOUNT, Catalog, REGION } from './catalog.ts';
import { VirtualClock } from './clock.ts';
import { Disk, type DiskImage, type Writer } from './disks.ts';
import { refusal } from './errors.ts';
import { EventBus } from './events.ts';
import { Faults } from './faults.ts';
import { READ_LAG, SPREADS, type Step } from './figures.ts';
import { Ledger } from './ledger.ts';
import type { SimInstance, SimSnapshot, SimSpotRequest, SimVolume } from './model.ts';
import { pageOf } from './paging.ts';
import { Meter } from './prices.ts';
import { Streams } from './random.ts';
import { Shelf } from './shelf.ts';
import type { Tags } from './tags.ts';
import { Tokens } from './tokens.ts';
import { instanceView, snapshotView, spotRequestView, volumeView } from './views.ts';

export interface CloudOptions {
  /** @default 1 */
  seed?: number;
  clock?: VirtualClock;
  /** Factor on every duration; 0 lets each call answer at once, for callers that move no clock. @default 1 */
  slowness?: number;
}

/** One writing to a volume by one instance: consecutive ones of the same pair are one entry. */
export interface WriteRecord {
  atMs: number;
  volumeId: string;
  instanceId: string;
  /** Of the instance, as they were then. */
  tags: Tags;
}

/** What the parts of the simulated AWS share: the account with everything in it, time, dice, and the books. */
export class Cloud {
  readonly clock: VirtualClock;
  readonly streams: Streams;
  readonly faults: Faults;
  readonly ledger: Ledger;
  readonly buckets: Buckets;
  readonly tokens: Tokens;
  readonly meter: Meter;
  readonly events: EventBus;
  readonly pools: Pools;
  readonly catalog = new Catalog();
  readonly instances: Shelf<SimInstance, Instance>;
  readonly volumes: Shelf<SimVolume, Volume>;
  readonly snapshots: Shelf<SimSnapshot, Snapshot>;
  readonly spotRequests: Shelf<SimSpotRequest, SpotInstanceRequest>;
  /** Promises that were broken before the eyes of the simulation, letter first. */
  readonly violations: string[] = [];
  readonly writes: WriteRecord[] = [];
  readonly #slowness: number;
  #versions = 0;

  constructor({ seed = 1, clock = new VirtualClock(), slowness = 1 }: CloudOptions) {
    this.clock = clock;
    this.#slowness = slowness;
    this.streams = new Streams(seed);
    this.faults = new Faults(this.streams);
    this.ledger = new Ledger(clock);
    this.buckets = new Buckets(clock);
    this.tokens = new Tokens(clock);
    this.meter = new Meter(clock);
    this.events = new EventBus(clock, this.streams, this.faults);
    this.pools = new Pools(this.streams);
    const lagMs = () => this.#lagMs();
    this.instances = new Shelf(clock, lagMs, (instance) => instanceView(instance, this.volumesOf(instance.id)));
    this.volumes = new Shelf(clock, lagMs, volumeView);
    this.snapshots = new Shelf(clock, lagMs, snapshotView);
    this.spotRequests = new Shelf(clock, lagMs, spotRequestView);
  }

  id(prefix: string): string {
    return `${prefix}-${Buffer.from(this.streams.of('ids').bytes(9)).toString('hex').slice(0, 17)}`;
  }

  /** How long a step takes this time, ms. */
  took(step: Step): number {
    return this.streams.duration(step, SPREADS[step]) * this.#slowness;
  }

  slow(ms: number): number {
    return ms * this.#slowness;
  }

  after(step: Step, run: () => void): void {
    this.clock.after(this.took(step), run);
  }

  chance(concern: string, probability: number): boolean {
    return this.streams.of(concern).chance(probability);
  }

  volumesOf(instanceId: string): SimVolume[] {
    return this.volumes.all().filter(({ attachment }) => attachment?.instanceId === instanceId);
  }

  /** A disk with this on it, for a volume. */
  disk(volumeId: string, image: DiskImage): Disk {
    return new Disk(image, {
      nextVersion: () => {
        this.#versions += 1;
        return this.#versions;
      },
      written: (writer) => this.#written(volumeId, writer),
      broken: (promise) => void this.violations.push(`${promise} (${volumeId})`),
      wasWrittenBack: () => this.chance('write-back', this.faults.rates.writtenBackPerFile),
    });
  }

  emit(type: string, kind: 'instance' | 'volume' | 'snapshot', id: string, detail: Record<string, unknown>): void {
    const resources = [`arn:aws:ec2:${REGION}:${ACCOUNT}:${kind}/${id}`];
    this.events.emit(type, { account: ACCOUNT, region: REGION, resources }, detail);
  }

  /**
   * The resources of a describe: those that it names and all else that its filters let through, one page of them.
   * @throws `notFound` for the first id that is not to be seen
   */
  describe<Resource extends { id: string }, View>(
    shelf: Shelf<Resource, View>,
    ask: { ids: string[] | undefined; MaxResults?: number; NextToken?: string },
    keep: (view: View) => boolean,
    notFound: (id: string) => Error,
  ): { page: View[]; next: string | undefined } {
    const seen = shelf.allSeen();
    const ids = ask.ids ?? [];
    if (ids.length > 0 && ask.MaxResults !== undefined)
      throw refusal('InvalidParameterCombination', 'The parameter MaxResults cannot be used with the parameter ids');
    for (const id of ids) if (!seen.some((item) => item.id === id)) throw notFound(id);
    const wanted = seen.filter(({ id, view }) => (ids.length === 0 || ids.includes(id)) && keep(view));
    const short = { perPage: ids.length > 0 ? 0 : this.faults.rates.shortPerPage, dice: this.streams.of('pages') };
    const { page, next } = pageOf(wanted, ask, short);
    return { page: page.map(({ view }) => view), next };
  }

  #lagMs(): number {
    const dice = this.streams.of('lag');
    return dice.chance(this.faults.rates.lagPerLook) ? dice.next() * READ_LAG.maxMs * this.#slowness : 0;
  }

  #written(volumeId: string, { instanceId }: Writer): void {
    const last = this.writes.at(-1);
    if (last?.volumeId === volumeId && last.instanceId === instanceId) return;
    const tags = this.instances.get(instanceId)?.tags ?? {};
    this.writes.push({ atMs: this.clock.now(), volumeId, instanceId, tags });
  }
}
