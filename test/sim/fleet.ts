import type {
  CreateFleetError,
  CreateFleetInstance,
  CreateFleetRequest,
  CreateFleetResult,
  FleetLaunchTemplateConfigRequest,
  FleetLaunchTemplateOverrides,
  FleetLaunchTemplateOverridesRequest,
} from '@aws-sdk/client-ec2';
import type { Cloud } from './cloud.ts';
import { AwsRefusal, refusal, required, unsupportedHere } from './errors.ts';
import { type Launches, type LaunchWish, mergeMappings, wishOf } from './launch.ts';
import type { Market, SimInstance } from './model.ts';

/** A pool of the request: one override of one template. */
interface Candidate {
  config: FleetLaunchTemplateConfigRequest;
  override: FleetLaunchTemplateOverridesRequest;
  wish: LaunchWish;
  /** Unit price and priority: what the strategies sort by. */
  usdPerHour: number;
}

const MAX_OVERRIDES = 300;
const UNFULFILLABLE = 'Unable to fulfill capacity due to your request configuration. Please adjust your request and try again.';

/** Fleets of the type `instant`: each tries its pools in order, and tells what it got and what went wrong where. */
export class Fleets {
  readonly #cloud: Cloud;
  readonly #launches: Launches;

  constructor(cloud: Cloud, launches: Launches) {
    this.#cloud = cloud;
    this.#launches = launches;
  }

  create(input: CreateFleetRequest): CreateFleetResult {
    if (input.Type !== 'instant') throw unsupportedHere(`a fleet of type ${input.Type ?? 'maintain'}`);
    return this.#cloud.tokens.once('createFleet', input, () => ({ output: this.#create(input) }));
  }

  #create(input: CreateFleetRequest): CreateFleetResult {
    const fleetId = this.#cloud.id('fleet');
    const { spot, onDemand } = targets(input);
    const result = { Instances: [] as CreateFleetInstance[], Errors: [] as CreateFleetError[] };
    const minimum = input.SpotOptions?.MinTargetCapacity ?? input.OnDemandOptions?.MinTargetCapacity ?? 0;
    for (const [market, count] of [
      ['on-demand', onDemand],
      ['spot', spot],
    ] as const) {
      const candidates = this.#candidates(input, market);
      for (let n = 0; n < count; n += 1) this.#fill(candidates, market, result);
    }
    if (result.Instances.length < minimum) throw refusal('UnfulfillableCapacity', UNFULFILLABLE);
    return { FleetId: fleetId, Instances: result.Instances, Errors: result.Errors };
  }

  /** One instance from the first pool that gives one. */
  #fill(candidates: Candidate[], market: Market, result: { Instances: CreateFleetInstance[]; Errors: CreateFleetError[] }): void {
    for (const candidate of candidates) {
      try {
        checkPrice(candidate, market);
        const instance = this.#launches.launch(candidate.wish);
        result.Instances.push(launched(candidate, market, instance));
        return;
      } catch (error) {
        if (!(error instanceof AwsRefusal)) throw error;
        result.Errors.push({ LaunchTemplateAndOverrides: told(candidate), Lifecycle: market, ...this.#words(error, market) });
      }
    }
  }

  #candidates(input: CreateFleetRequest, market: Market): Candidate[] {
    const configs = required(input.LaunchTemplateConfigs, 'LaunchTemplateConfigs');
    const all = configs.flatMap((config) => {
      const { data } = this.#launches.template(config.LaunchTemplateSpecification ?? {});
      const base = wishOf(data);
      const overrides = config.Overrides?.length ? config.Overrides : [{}];
      return overrides.map((override) => this.#candidate(input, config, base, override, market));
    });
    if (all.length > MAX_OVERRIDES) throw refusal('InvalidParameterValue', `More than ${MAX_OVERRIDES} launch template overrides`);
    return sorted(all, input, market);
  }

  #candidate(
    input: CreateFleetRequest,
    config: FleetLaunchTemplateConfigRequest,
    base: LaunchWish,
    override: FleetLaunchTemplateOverridesRequest,
    market: Market,
  ): Candidate {
    if (override.InstanceRequirements !== undefined) throw unsupportedHere('InstanceRequirements');
    const type = override.InstanceType ?? base.type;
    const subnetId = override.SubnetId ?? base.subnetId;
    const az = override.AvailabilityZone ?? override.Placement?.AvailabilityZone ?? base.az;
    const zone = this.#cloud.catalog.subnets.get(subnetId ?? '')?.az ?? az ?? '';
    const usdPerHour = this.#cloud.pools.usdPerHour({ type: this.#known(type), az: zone, market });
    const wish: LaunchWish = {
      ...base,
      imageId: override.ImageId ?? base.imageId,
      type,
      subnetId,
      az,
      market,
      mappings: mergeMappings(base.mappings, override.BlockDeviceMappings),
      tagSpecifications: [...base.tagSpecifications, ...(input.TagSpecifications ?? [])],
      profile: override.IamInstanceProfile?.Arn ?? override.IamInstanceProfile?.Name ?? base.profile,
    };
    return { config, override, wish, usdPerHour };
  }

  /** AWS calls a spot pool with no machines by two names. */
  #words(error: AwsRefusal, market: Market): { ErrorCode: string; ErrorMessage: string } {
    const other = market === 'spot' && error.name === 'InsufficientInstanceCapacity' && this.#cloud.chance('fleet words', 0.5);
    return other
      ? { ErrorCode: 'UnfulfillableCapacity', ErrorMessage: UNFULFILLABLE }
      : { ErrorCode: error.name, ErrorMessage: error.message };
  }

  #known(type: string): string {
    this.#cloud.pools.figures(type);
    return type;
  }
}

function checkPrice({ override, usdPerHour }: Candidate, market: Market): void {
  if (market === 'spot' && override.MaxPrice !== undefined && Number(override.MaxPrice) < usdPerHour)
    throw refusal(
      'SpotMaxPriceTooLow',
      `Your Spot request price of ${override.MaxPrice} is lower than the minimum required Spot request fulfillment price of ${usdPerHour}.`,
    );
}

function targets({ TargetCapacitySpecification: target }: CreateFleetRequest): { spot: number; onDemand: number } {
  const total = target?.TotalTargetCapacity ?? 0;
  const spot = target?.SpotTargetCapacity;
  const onDemand = target?.OnDemandTargetCapacity;
  if (target?.DefaultTargetCapacityType === 'spot') return { spot: spot ?? total - (onDemand ?? 0), onDemand: onDemand ?? 0 };
  return { spot: spot ?? 0, onDemand: onDemand ?? total - (spot ?? 0) };
}

function sorted(all: Candidate[], input: CreateFleetRequest, market: Market): Candidate[] {
  const strategy = market === 'spot' ? input.SpotOptions?.AllocationStrategy : input.OnDemandOptions?.AllocationStrategy;
  const priority = ({ override }: Candidate) => override.Priority ?? Number.POSITIVE_INFINITY;
  const byPriority = strategy === 'prioritized' || strategy === 'capacity-optimized-prioritized';
  return [...all].sort((a, b) => (byPriority && priority(a) !== priority(b) ? priority(a) - priority(b) : a.usdPerHour - b.usdPerHour));
}

function told({ config, override }: Candidate): { LaunchTemplateSpecification: object; Overrides: FleetLaunchTemplateOverrides } {
  const { BlockDeviceMappings: _, ...rest } = override;
  return { LaunchTemplateSpecification: { ...config.LaunchTemplateSpecification }, Overrides: rest as FleetLaunchTemplateOverrides };
}

const launched = (candidate: Candidate, market: Market, { id, type, az, subnetId }: SimInstance): CreateFleetInstance => ({
  LaunchTemplateAndOverrides: told(candidate),
  Lifecycle: market,
  InstanceIds: [id],
  InstanceType: type as NonNullable<CreateFleetInstance['InstanceType']>,
  AvailabilityZone: az,
  SubnetId: subnetId,
});
