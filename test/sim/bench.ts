import type { CreateFleetRequest, FleetLaunchTemplateOverridesRequest } from '@aws-sdk/client-ec2';
import type { SimInstance } from './model.ts';
import { SimulatedMachine, type SimulatedMachineOptions } from './simulated-machine.ts';
import { SimulatedAws, type SimulatedAwsOptions } from './world.ts';

export const DEVICE = '/dev/sdf';

/** A world for tests of the world: nothing lags and pages are full, until a test wants it otherwise. */
export class Bench {
  readonly aws: SimulatedAws;
  templateId = '';

  constructor(options: SimulatedAwsOptions & { machine?: SimulatedMachineOptions } = {}) {
    this.aws = new SimulatedAws({ boot: SimulatedMachine.boot(options.machine), ...options });
    this.quiet();
  }

  quiet(): void {
    this.aws.cloud.faults.rates = { ...this.aws.cloud.faults.rates, lagPerLook: 0, shortPerPage: 0 };
  }

  get clock() {
    return this.aws.cloud.clock;
  }

  get ec2() {
    return this.aws.ec2;
  }

  run<T>(work: Promise<T>): Promise<T> {
    return this.clock.run(work);
  }

  /** The code that an operation is refused with. */
  refused(work: Promise<unknown>): Promise<string> {
    return this.run(outcomeOf(work));
  }

  subnet(az = 'us-east-1a'): string {
    const subnet = [...this.aws.cloud.catalog.subnets.values()].find((each) => each.az === az);
    if (subnet === undefined) throw new Error(`no subnet in ${az}`);
    return subnet.id;
  }

  image(architecture = 'x86_64'): string {
    const image = [...this.aws.cloud.catalog.images.values()].find((each) => each.architecture === architecture);
    if (image === undefined) throw new Error(`no image for ${architecture}`);
    return image.id;
  }

  /** An instance as it is, without a look through a describe. */
  instance(id: string): SimInstance {
    const instance = this.aws.cloud.instances.get(id);
    if (instance === undefined) throw new Error(`no instance ${id}`);
    return instance;
  }

  /** A request for one instance out of these pools, with a blank workspace of 10 GiB unless it says otherwise. */
  async fleet(overrides: FleetLaunchTemplateOverridesRequest[], patch: Partial<CreateFleetRequest> = {}): Promise<CreateFleetRequest> {
    if (this.templateId === '') {
      const data = { ImageId: this.image(), InstanceInitiatedShutdownBehavior: 'terminate' as const };
      const made = await this.run(this.ec2.createLaunchTemplate({ LaunchTemplateName: 'devctl', LaunchTemplateData: data }));
      this.templateId = made.LaunchTemplate?.LaunchTemplateId ?? '';
    }
    const workspace = { DeviceName: DEVICE, Ebs: { VolumeSize: 10, VolumeType: 'gp3' as const, DeleteOnTermination: false } };
    return {
      Type: 'instant',
      ClientToken: `token-${this.aws.cloud.ledger.calls.length}`,
      LaunchTemplateConfigs: [
        {
          LaunchTemplateSpecification: { LaunchTemplateId: this.templateId, Version: '1' },
          Overrides: overrides.map((override) => ({ BlockDeviceMappings: [workspace], ...override })),
        },
      ],
      TargetCapacitySpecification: { TotalTargetCapacity: 1, DefaultTargetCapacityType: 'spot' },
      SpotOptions: { AllocationStrategy: 'price-capacity-optimized' },
      ...patch,
    };
  }

  /** A running instance whose machine is ready. */
  async box(patch: Partial<CreateFleetRequest> = {}, override: FleetLaunchTemplateOverridesRequest = {}): Promise<Box> {
    const request = await this.fleet([{ InstanceType: 't3a.large', SubnetId: this.subnet(), ...override }], patch);
    const { Instances = [], Errors = [] } = await this.run(this.ec2.createFleet(request));
    const id = Instances[0]?.InstanceIds?.[0];
    if (id === undefined) throw new Error(`not launched: ${JSON.stringify(Errors)}`);
    await this.clock.until(() => (this.aws.machineOf(id) as SimulatedMachine | null)?.state === 'ready');
    const volume = this.aws.cloud.volumesOf(id).find(({ attachment }) => attachment?.device === DEVICE);
    return { id, volumeId: volume?.id ?? '', machine: this.aws.machineOf(id) as SimulatedMachine };
  }
}

export interface Box {
  id: string;
  volumeId: string;
  machine: SimulatedMachine;
}

export const outcomeOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'not refused',
    (error: Error) => error.name,
  );
