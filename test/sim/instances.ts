import type {
  DescribeInstancesRequest,
  DescribeInstancesResult,
  DescribeSpotInstanceRequestsRequest,
  DescribeSpotInstanceRequestsResult,
  Instance,
  InstanceStateChange,
  InstanceStateName,
  SpotInstanceRequest,
  StartInstancesRequest,
  StartInstancesResult,
  StateReason,
  StopInstancesRequest,
  StopInstancesResult,
  TerminateInstancesRequest,
  TerminateInstancesResult,
} from '@aws-sdk/client-ec2';
import type { Attachments } from './attach.ts';
import { ACCOUNT } from './catalog.ts';
import type { Cloud } from './cloud.ts';
import { refusal, required } from './errors.ts';
import { STORAGE_PRICES, TERMINATED_SHOWN_MS } from './figures.ts';
import { type Fields, matching } from './filters.ts';
import { type Boot, Power } from './machine.ts';
import { type SimInstance, STATE_CODES } from './model.ts';
import type { Volumes } from './volumes.ts';

export const noInstances = (ids: string[]): Error =>
  refusal(
    'InvalidInstanceID.NotFound',
    ids.length === 1 ? `The instance ID '${ids[0]}' does not exist` : `The instance IDs '${ids.join(', ')}' do not exist`,
  );

const FIELDS: Fields<Instance> = {
  'instance-id': ({ InstanceId }) => [InstanceId],
  'instance-state-name': ({ State }) => [State?.Name],
  'instance-state-code': ({ State }) => [String(State?.Code)],
  'instance-type': ({ InstanceType }) => [InstanceType],
  'instance-lifecycle': ({ InstanceLifecycle }) => [InstanceLifecycle],
  'availability-zone': ({ Placement }) => [Placement?.AvailabilityZone],
  'subnet-id': ({ SubnetId }) => [SubnetId],
  'image-id': ({ ImageId }) => [ImageId],
  'client-token': ({ ClientToken }) => [ClientToken],
  'spot-instance-request-id': ({ SpotInstanceRequestId }) => [SpotInstanceRequestId],
  'block-device-mapping.volume-id': ({ BlockDeviceMappings = [] }) => BlockDeviceMappings.map(({ Ebs }) => Ebs?.VolumeId),
};

const SPOT_FIELDS: Fields<SpotInstanceRequest> = {
  'spot-instance-request-id': ({ SpotInstanceRequestId }) => [SpotInstanceRequestId],
  'instance-id': ({ InstanceId }) => [InstanceId],
  state: ({ State }) => [State],
  'status-code': ({ Status }) => [Status?.Code],
};

/** What ends an instance, in the words of AWS. */
export const REASONS = {
  user: { Code: 'Client.UserInitiatedShutdown', Message: 'Client.UserInitiatedShutdown: User initiated shutdown' },
  inside: { Code: 'Client.InstanceInitiatedShutdown', Message: 'Client.InstanceInitiatedShutdown: Instance initiated shutdown' },
  key: { Code: 'Client.InternalError', Message: 'Client.InternalError: Client error on launch' },
  launch: { Code: 'Server.InternalError', Message: 'Server.InternalError: Internal error on launch' },
  spot: { Code: 'Server.SpotInstanceTermination', Message: 'Server.SpotInstanceTermination: Spot instance termination' },
  hardware: { Code: 'Server.InternalError', Message: 'Server.InternalError: Hardware failure' },
} as const satisfies Record<string, StateReason>;

type Change = { instance: SimInstance; before: InstanceStateName };

/** Instances after their launch: they run, stop, start and end. */
export class Instances {
  readonly #cloud: Cloud;
  readonly #volumes: Volumes;
  /** Set by the world: this and the attachments need each other. */
  attachments!: Attachments;
  boot: Boot = () => ({ off: () => {} });

  constructor(cloud: Cloud, volumes: Volumes) {
    this.#cloud = cloud;
    this.#volumes = volumes;
  }

  describe(input: DescribeInstancesRequest): DescribeInstancesResult {
    if (input.MaxResults !== undefined && (input.MaxResults < 5 || input.MaxResults > 1000))
      throw refusal(
        'InvalidParameterValue',
        `Value ( ${input.MaxResults} ) for parameter maxResults is invalid. Expecting a value in the range 5..1000.`,
      );
    for (const id of input.InstanceIds ?? [])
      if (!/^i-[0-9a-f]{8,17}$/.test(id)) throw refusal('InvalidInstanceID.Malformed', `Invalid id: "${id}"`);
    const { instances } = this.#cloud;
    const unknown = (id: string) => noInstances([id]);
    const { page, next } = this.#cloud.describe(instances, { ...input, ids: input.InstanceIds }, matching(input.Filters, FIELDS), unknown);
    const reservations = page.map((instance) => ({
      ReservationId: instances.get(instance.InstanceId ?? '')?.reservationId ?? 'r-00000000000000000',
      OwnerId: ACCOUNT,
      Groups: [],
      Instances: [instance],
    }));
    return { Reservations: reservations, ...(next !== undefined && { NextToken: next }) };
  }

  describeSpotRequests(input: DescribeSpotInstanceRequestsRequest): DescribeSpotInstanceRequestsResult {
    const unknown = (id: string) => refusal('InvalidSpotInstanceRequestID.NotFound', `The spot instance request ID '${id}' does not exist`);
    const ask = { ...input, ids: input.SpotInstanceRequestIds };
    const { page, next } = this.#cloud.describe(this.#cloud.spotRequests, ask, matching(input.Filters, SPOT_FIELDS), unknown);
    return { SpotInstanceRequests: page, ...(next !== undefined && { NextToken: next }) };
  }

  /** All or none: one unknown id, and none is touched. */
  terminate(input: TerminateInstancesRequest): TerminateInstancesResult {
    const changes = this.#changes(input.InstanceIds, (instance) => this.end(instance, REASONS.user));
    return { TerminatingInstances: changes };
  }

  stop(input: StopInstancesRequest): StopInstancesResult {
    for (const instance of this.#need(input.InstanceIds)) {
      if (instance.market === 'spot')
        throw refusal(
          'UnsupportedOperation',
          `You can't stop the Spot Instance '${instance.id}' because it is associated with a one-time Spot Instance request. You can only stop Spot Instances associated with persistent Spot Instance requests.`,
        );
      if (!['running', 'stopping', 'stopped'].includes(instance.state))
        throw refusal('IncorrectInstanceState', `This instance '${instance.id}' is not in a state from which it can be stopped.`);
    }
    return { StoppingInstances: this.#changes(input.InstanceIds, (instance) => this.halt(instance, REASONS.user)) };
  }

  start(input: StartInstancesRequest): StartInstancesResult {
    const instances = this.#need(input.InstanceIds);
    for (const { id, state } of instances)
      if (!['stopped', 'pending', 'running'].includes(state))
        throw refusal('IncorrectInstanceState', `The instance '${id}' is not in a state from which it can be started.`);
    const taken: SimInstance[] = [];
    try {
      for (const instance of instances.filter(({ state }) => state === 'stopped')) {
        this.#cloud.pools.take(instance.id, instance, this.#cloud.faults.rates.noCapacityPerLaunch);
        taken.push(instance);
      }
    } catch (error) {
      for (const { id } of taken) this.#cloud.pools.release(id);
      throw error;
    }
    return { StartingInstances: this.#changes(input.InstanceIds, (instance) => this.#start(instance)) };
  }

  /** An operation names it: it must be to be seen. */
  need = (id: string): SimInstance => this.#need([id])[0] as SimInstance;

  /** From pending on: it comes up, or the reason that was found at its launch ends it. */
  begin(instance: SimInstance, doom: StateReason | null): void {
    const turn = this.#turn(instance, 'pending');
    this.#cloud.after('pending', () => {
      if (instance.turn !== turn) return;
      if (doom !== null) this.end(instance, doom);
      else this.#run(instance);
    });
  }

  /** Shutting down, then terminated: from then on its volumes are free, or gone with it. */
  end(instance: SimInstance, reason: StateReason): void {
    if (instance.state === 'terminated' || instance.state === 'shutting-down') return;
    this.#powerOff(instance, reason);
    const turn = this.#turn(instance, 'shutting-down');
    this.#cloud.pools.release(instance.id);
    this.#closeSpotRequest(instance, reason);
    this.#cloud.after('terminate', () => {
      if (instance.turn === turn) this.#terminated(instance);
    });
  }

  /** Stopping, then stopped: its volumes stay attached. */
  halt(instance: SimInstance, reason: StateReason): void {
    if (instance.state !== 'running') return;
    this.#powerOff(instance, reason);
    const turn = this.#turn(instance, 'stopping');
    this.#cloud.after('stop', () => {
      if (instance.turn !== turn) return;
      this.#cloud.pools.release(instance.id);
      this.#turn(instance, 'stopped');
    });
  }

  #start(instance: SimInstance): void {
    if (instance.state !== 'stopped') return;
    instance.stateReason = null;
    instance.transitionReason = '';
    instance.launchedAtMs = this.#cloud.clock.now();
    this.begin(instance, null);
  }

  #run(instance: SimInstance): void {
    const turn = this.#turn(instance, 'running');
    this.#cloud.meter.set('instance', instance.id, this.#cloud.pools.usdPerHour(instance));
    if (instance.publicIp) this.#cloud.meter.set('publicIp', instance.id, STORAGE_PRICES.publicIpUsdPerHour);
    const inside = () => (instance.shutdownBehavior === 'stop' ? this.halt(instance, REASONS.inside) : this.end(instance, REASONS.inside));
    const power = new Power(instance, this.#cloud.clock, () => this.#cloud.volumes.all(), inside);
    instance.power = power;
    this.#cloud.after('boot', () => {
      if (instance.turn === turn) power.boot(this.boot);
    });
  }

  #powerOff(instance: SimInstance, reason: StateReason): void {
    const { power } = instance;
    instance.power = null;
    instance.stateReason = { ...reason };
    instance.transitionReason = `User initiated (${new Date(this.#cloud.clock.now()).toISOString()})`;
    this.#cloud.meter.set('instance', instance.id, 0);
    this.#cloud.meter.set('publicIp', instance.id, 0);
    power?.cut();
  }

  #terminated(instance: SimInstance): void {
    for (const volume of this.#cloud.volumesOf(instance.id)) {
      const { deleteOnTermination } = volume.attachment ?? { deleteOnTermination: false };
      this.attachments.ended(volume);
      if (deleteOnTermination) this.#volumes.discard(volume);
    }
    this.#turn(instance, 'terminated');
    const subnet = this.#cloud.catalog.subnets.get(instance.subnetId);
    if (subnet) subnet.freeAddresses += 1;
    this.#cloud.clock.after(TERMINATED_SHOWN_MS, () => this.#cloud.instances.remove(instance.id));
  }

  #closeSpotRequest(instance: SimInstance, reason: StateReason): void {
    const request = this.#cloud.spotRequests.get(instance.spotRequestId ?? '');
    if (request === undefined) return;
    request.state = 'closed';
    request.statusCode = reason === REASONS.spot ? 'instance-terminated-no-capacity' : 'instance-terminated-by-user';
    this.#cloud.spotRequests.changed(request);
  }

  #turn(instance: SimInstance, state: InstanceStateName): number {
    instance.state = state;
    instance.turn += 1;
    this.#cloud.instances.changed(instance);
    this.#cloud.emit('EC2 Instance State-change Notification', 'instance', instance.id, { 'instance-id': instance.id, state });
    return instance.turn;
  }

  #changes(ids: string[] | undefined, change: (instance: SimInstance) => void): InstanceStateChange[] {
    const changes: Change[] = this.#need(ids).map((instance) => ({ instance, before: instance.state }));
    for (const { instance } of changes) change(instance);
    const state = (Name: InstanceStateName) => ({ Name, Code: STATE_CODES[Name] });
    return changes.map(({ instance, before }) => ({
      InstanceId: instance.id,
      CurrentState: state(instance.state),
      PreviousState: state(before),
    }));
  }

  #need(ids: string[] | undefined): SimInstance[] {
    const wanted = required(ids, 'InstanceId');
    for (const id of wanted) if (!/^i-[0-9a-f]{8,17}$/.test(id)) throw refusal('InvalidInstanceID.Malformed', `Invalid id: "${id}"`);
    const found = wanted.flatMap((id) => {
      const instance = this.#cloud.instances.get(id);
      return instance === undefined || this.#cloud.instances.seen(id) === null ? [] : [instance];
    });
    if (found.length < wanted.length) throw noInstances(wanted.filter((id) => !found.some((instance) => instance.id === id)));
    return found;
  }
}
