import type { Attachments } from './attach.ts';
import type { Cloud } from './cloud.ts';
import { type Instances, REASONS } from './instances.ts';
import type { SimInstance } from './model.ts';
import type { Volumes } from './volumes.ts';

const HOUR_MS = 3_600_000;
const LOOK_MS = 60_000;

export interface Interruption {
  /** From the notice to the end: 120 s at best, and 0 when the notice and the end come together. @default 120_000 */
  warningMs?: number;
  /** The event comes twice. */
  doubled?: boolean;
  /** There is no event; the metadata service may still tell. */
  eventLost?: boolean;
}

/** What happens to resources without a call: by AWS, by fate, or by somebody in the console. */
export class Hands {
  readonly #cloud: Cloud;
  readonly #instances: Instances;
  readonly #volumes: Volumes;
  readonly #attachments: Attachments;

  constructor(cloud: Cloud, instances: Instances, volumes: Volumes, attachments: Attachments) {
    this.#cloud = cloud;
    this.#instances = instances;
    this.#volumes = volumes;
    this.#attachments = attachments;
    cloud.clock.every(LOOK_MS, () => this.#fate());
  }

  /** EC2 wants a spot instance back. */
  interrupt(id: string, { warningMs = 120_000, doubled = false, eventLost = false }: Interruption = {}): void {
    const instance = this.#instance(id);
    const endsAtMs = this.#cloud.clock.now() + warningMs;
    if (instance.notice === null) {
      instance.notice = { action: 'terminate', atMs: endsAtMs };
      this.#cloud.clock.after(warningMs, () => this.#instances.end(instance, REASONS.spot));
    }
    if (eventLost) return;
    const detail = { 'instance-id': id, 'instance-action': 'terminate' };
    for (let n = 0; n < (doubled ? 2 : 1); n += 1) this.#cloud.emit('EC2 Spot Instance Interruption Warning', 'instance', id, detail);
  }

  /** A spot instance is at elevated risk; nothing needs to come of it. */
  recommendRebalance(id: string): void {
    this.#instance(id).rebalanceAtMs = this.#cloud.clock.now();
    this.#cloud.emit('EC2 Instance Rebalance Recommendation', 'instance', id, { 'instance-id': id });
  }

  /** The hardware of an instance dies: no notice, no flush. */
  breakInstance(id: string): void {
    this.#instances.end(this.#instance(id), REASONS.hardware);
  }

  /** Somebody terminates it in the console. */
  terminate(id: string): void {
    this.#instances.end(this.#instance(id), REASONS.user);
  }

  /** Somebody deletes a volume in the console, taking it off its instance by force. */
  deleteVolume(id: string): void {
    const volume = this.#cloud.volumes.get(id);
    if (volume === undefined) throw new Error(`there is no volume ${id}`);
    if (volume.attachment !== null) this.#attachments.free(volume);
    this.#volumes.discard(volume);
  }

  deleteSnapshot(id: string): void {
    this.#cloud.snapshots.remove(id);
  }

  /** Bytes of the file system flip: it cannot be mounted any more. */
  damageVolume(id: string): void {
    const volume = this.#cloud.volumes.get(id);
    if (volume) volume.disk.image = { ...volume.disk.image, damaged: true };
  }

  damageSnapshot(id: string): void {
    const snapshot = this.#cloud.snapshots.get(id);
    if (snapshot) snapshot.image = { ...snapshot.image, damaged: true };
  }

  /** The price of a pool moves; who runs there pays it from now on. */
  moveSpotPrice(type: string, az: string, usdPerHour: number): void {
    this.#cloud.pools.setSpotPrice(type, az, usdPerHour);
    for (const instance of this.#cloud.instances.all())
      if (instance.state === 'running' && instance.market === 'spot' && instance.type === type && instance.az === az)
        this.#cloud.meter.set('instance', instance.id, usdPerHour);
  }

  /** What the rates bring upon running instances in a minute. */
  #fate(): void {
    const { rates } = this.#cloud.faults;
    const share = LOOK_MS / HOUR_MS;
    for (const instance of this.#cloud.instances.all()) {
      if (instance.state !== 'running') continue;
      const dice = this.#cloud.streams.of('fate');
      const [death, interruption, warning, rebalance] = [dice.next(), dice.next(), dice.next(), dice.next()];
      if (death < rates.hardwareDeathPerHour * share) this.breakInstance(instance.id);
      else if (instance.market === 'spot' && instance.notice === null && interruption < rates.interruptionPerSpotHour * share) {
        if (rebalance < 0.5) this.recommendRebalance(instance.id);
        this.interrupt(instance.id, { warningMs: Math.round(warning * 120_000) });
      }
    }
  }

  #instance(id: string): SimInstance {
    const instance = this.#cloud.instances.get(id);
    if (instance === undefined) throw new Error(`there is no instance ${id}`);
    return instance;
  }
}
