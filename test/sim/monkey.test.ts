import { describe, expect, it } from 'vitest';
import { CrashError, Life, SeededRandom } from '../support/faults.ts';
import { Bench, DEVICE, outcomeOf } from './bench.ts';
import { ZONES } from './catalog.ts';
import type { Cloud } from './cloud.ts';
import { ROUGH } from './faults.ts';
import type { SimulatedMachine } from './simulated-machine.ts';

const SEEDS = Array.from({ length: 20 }, (_, n) => n + 1);
const STEPS = 120;

/** Somebody without a plan, in a rough world. */
class Monkey {
  readonly bench: Bench;
  readonly dice: SeededRandom;
  readonly outcomes = new Map<string, number>();
  #writes = 0;

  constructor(seed: number) {
    this.bench = new Bench({ seed });
    this.dice = new SeededRandom(seed);
    this.bench.aws.cloud.pools.quotas.spotVcpus = 12;
  }

  async step(): Promise<void> {
    const { ec2 } = this.bench;
    const { instances, volumes, snapshots } = this.bench.aws.cloud;
    const instance = () => this.#one(instances.all()) ?? 'i-0123456789abcdef0';
    const volume = () => this.#one(volumes.all()) ?? 'vol-0123456789abcdef0';
    const snapshot = () => this.#one(snapshots.all()) ?? 'snap-0123456789abcdef0';
    const AvailabilityZone = this.dice.pick(ZONES);
    const acts: Array<() => Promise<unknown>> = [
      () => this.#launch(snapshot()),
      () => this.#launch(snapshot()),
      () => ec2.createVolume({ AvailabilityZone, SnapshotId: snapshot(), ClientToken: `t${this.dice.below(20)}` }),
      () => ec2.copyVolumes({ SourceVolumeId: volume() }),
      () => ec2.attachVolume({ VolumeId: volume(), InstanceId: instance(), Device: this.dice.pick([DEVICE, '/dev/sdg']) }),
      () => ec2.detachVolume({ VolumeId: volume(), Force: this.dice.chance(0.3) }),
      () => ec2.deleteVolume({ VolumeId: volume() }),
      () => ec2.createSnapshot({ VolumeId: volume() }),
      () => ec2.deleteSnapshot({ SnapshotId: snapshot() }),
      () => ec2.terminateInstances({ InstanceIds: [instance()] }),
      () => ec2.stopInstances({ InstanceIds: [instance()] }),
      () => ec2.startInstances({ InstanceIds: [instance()] }),
      () => ec2.createTags({ Resources: [volume(), instance()], Tags: [{ Key: 'k', Value: String(this.dice.below(9)) }] }),
      () => ec2.describeVolumes({ MaxResults: 5 }),
      async () => this.#write(instance()),
      async () => this.bench.clock.advance(this.dice.below(120_000)),
    ];
    const outcome = await this.bench.run(outcomeOf(this.dice.pick(acts)()));
    this.outcomes.set(outcome, (this.outcomes.get(outcome) ?? 0) + 1);
  }

  #one(all: Array<{ id: string }>): string | undefined {
    return all.length === 0 ? undefined : this.dice.pick(all).id;
  }

  async #launch(SnapshotId: string): Promise<unknown> {
    const Ebs = this.dice.chance(0.5) ? { SnapshotId, DeleteOnTermination: false } : { VolumeSize: 4, DeleteOnTermination: false };
    const override = { InstanceType: 't3a.large' as const, BlockDeviceMappings: [{ DeviceName: DEVICE, Ebs }] };
    return this.bench.ec2.createFleet(await this.bench.fleet(ZONES.map((az) => ({ ...override, SubnetId: this.bench.subnet(az) }))));
  }

  #write(id: string): void {
    const machine = this.bench.aws.machineOf(id) as SimulatedMachine | null;
    if (machine?.state !== 'ready') return;
    this.#writes += 1;
    machine.write('file', String(this.#writes));
    if (this.dice.chance(0.5)) machine.flush();
  }
}

/** What can never be, in any world. */
function impossible({ instances, volumes, snapshots }: Cloud): string[] {
  const live = new Map(instances.all().map((instance) => [instance.id, instance]));
  return [
    ...volumes.all().flatMap((volume) => {
      const { attachment, state, disk } = volume;
      const instance = live.get(attachment?.instanceId ?? '');
      return [
        (attachment !== null) !== (state === 'in-use') && `${volume.id} is ${state} with attachment ${attachment?.state}`,
        attachment !== null && instance?.az !== volume.az && `${volume.id} is on an instance of another zone`,
        attachment !== null && !attachment.hangs && instance?.state === 'terminated' && `${volume.id} is on an instance that has ended`,
        disk.mount !== null && instance?.state !== 'running' && `${volume.id} is mounted on what does not run`,
      ];
    }),
    ...instances.all().map((instance) => instance.power !== null && instance.state !== 'running' && `${instance.id} has power`),
    ...snapshots.all().map(({ id, state, completedAtMs }) => (state === 'completed') !== (completedAtMs !== null) && `${id} is ${state}`),
  ].filter((line) => line !== false);
}

describe('a rough world', () => {
  it.each(SEEDS)('keeps its own rules whatever is asked of it (seed %i)', async (seed) => {
    const monkey = new Monkey(seed);
    const { cloud } = monkey.bench.aws;
    await monkey.bench.fleet([]);
    cloud.faults.rates = { ...ROUGH };
    for (let step = 0; step < STEPS; step += 1) {
      await monkey.step();
      expect(impossible(cloud)).toEqual([]);
    }
    expect(monkey.outcomes.get('SimulationError')).toBeUndefined();
    expect(monkey.outcomes.get('not refused')).toBeGreaterThan(STEPS / 5);
    expect(cloud.meter.spentUsd.total).toBeGreaterThan(0);
    // Once it is calm, what is shown is what is.
    cloud.faults.clear();
    await monkey.bench.clock.pass(600_000);
    const shown: string[] = [];
    let NextToken: string | undefined;
    do {
      const page = await monkey.bench.run(monkey.bench.ec2.describeVolumes({ MaxResults: 50, ...(NextToken && { NextToken }) }));
      shown.push(...(page.Volumes ?? []).map(({ VolumeId, State }) => `${VolumeId} ${State}`));
      NextToken = page.NextToken;
    } while (NextToken !== undefined);
    expect(shown).toEqual(cloud.volumes.all().map(({ id, state }) => `${id} ${state}`));
  });

  it.each(['before', 'after', 'lost'] as const)('a caller may die or be left alone %s any call', async (mode) => {
    for (let nth = 1; nth <= 3; nth += 1) {
      const bench = new Bench();
      const life = new Life();
      life.fault = (_, index) => (index === nth ? mode : null);
      const ec2 = life.wrap('ec2', bench.ec2);
      const create = () => bench.run(ec2.createVolume({ AvailabilityZone: 'us-east-1a', Size: 1 }).catch((error: Error) => error));
      const answers = [await create(), await create(), await create()];
      const failed = answers[nth - 1];
      expect(failed).toBeInstanceOf(mode === 'lost' ? Error : CrashError);
      expect([life.dead, failed]).toMatchObject(mode === 'lost' ? [false, { code: 'ECONNRESET' }] : [true, {}]);
      const made = mode === 'lost' ? 3 : mode === 'after' ? nth : nth - 1;
      expect(bench.aws.cloud.volumes.all()).toHaveLength(made);
    }
  });
});
