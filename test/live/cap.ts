import type { CreateFleetRequest } from '@aws-sdk/client-ec2';
import {
  HOURS_PER_MONTH,
  MACHINE_EXTRAS_MICRO_USD_PER_HOUR,
  onDemandPrice,
  PRICES,
  volumeMicroUsdPerHour,
} from '../../launcher/contract/prices.ts';
import type { Ec2Api } from '../../launcher/providers/ec2/api.ts';

const HOUR_MS = 3_600_000;
/** The shortest time that AWS bills of a machine. */
const LEAST_MS = 60_000;
/** A price that is not in the table counts twice. */
const ABOUT = 2;

export interface CapOptions {
  capMicroUsd: number;
  region: string;
  now: () => number;
  /** Whatever runs is taken to run until then. */
  untilMs: number;
}

interface Rate {
  /** Ends with its machine. */
  microUsdPerHour: number;
  /** Goes on when the machine has ended. */
  storageMicroUsdPerHour: number;
}

interface Entry extends Rate {
  fromMs: number;
  /** Null: it runs, for all that is known. */
  toMs: number | null;
}

/** No call was made: it could have cost more than is allowed. */
export class CostCapError extends Error {
  override readonly name = 'CostCapError';
}

/**
 * Lets no call through after which a run could cost more than its cap, if all that it has ran on until the end of the run, on demand. After the first
 * such call nothing is made any more: only looking, ending and deleting go on.
 */
export class CostCap {
  readonly #options: CapOptions;
  readonly #entries = new Map<string, Entry>();
  #count = 0;
  #hasStopped = false;

  constructor(options: CapOptions) {
    this.#options = options;
  }

  /** What it may have cost by the end of the run, micro-dollars. */
  get committedMicroUsd(): number {
    return [...this.#entries.values()].reduce((sum, entry) => sum + this.#costOf(entry), 0);
  }

  guard(ec2: Ec2Api): Ec2Api {
    const { region } = this.#options;
    const refused = (op: string) => async (): Promise<never> => {
      throw new CostCapError(`${op} is not among what a live run may do`);
    };
    return {
      ...ec2,
      createFleet: async (input) => {
        const name = this.#take('createFleet', fleetRate(input, region));
        const output = await ec2.createFleet(input);
        const [id] = output.Instances?.flatMap(({ InstanceIds = [] }) => InstanceIds) ?? [];
        // Without an instance nothing runs; without an answer it is taken to run.
        if (id === undefined) this.#entries.delete(name);
        else this.#rename(name, id);
        return output;
      },
      createSnapshot: async (input) => {
        const storageMicroUsdPerHour = Math.ceil((VOLUME_GIB * PRICES.snapshotMicroUsdPerGiBMonth) / HOURS_PER_MONTH);
        this.#take('createSnapshot', { microUsdPerHour: 0, storageMicroUsdPerHour });
        return ec2.createSnapshot(input);
      },
      startInstances: async (input) => {
        for (const id of input.InstanceIds ?? []) {
          const known = this.#entries.get(id);
          if (known === undefined) throw new CostCapError(`${id} was not launched by this run`);
          this.#take('startInstances', { ...known, storageMicroUsdPerHour: 0 });
        }
        return ec2.startInstances(input);
      },
      terminateInstances: async (input) => {
        const output = await ec2.terminateInstances(input);
        for (const id of input.InstanceIds ?? []) this.#end(id);
        return output;
      },
      runInstances: refused('runInstances'),
      createVolume: refused('createVolume'),
      copyVolumes: refused('copyVolumes'),
    };
  }

  /** @throws CostCapError */
  #take(op: string, rate: Rate): string {
    const entry = { ...rate, fromMs: this.#options.now(), toMs: null };
    const wouldBe = this.committedMicroUsd + this.#costOf(entry);
    const { capMicroUsd } = this.#options;
    if (this.#hasStopped) throw new CostCapError(`cost cap: it was reached, so no ${op} is made any more`);
    if (wouldBe > capMicroUsd) {
      this.#hasStopped = true;
      const usd = (microUsd: number) => `$${(microUsd / 1e6).toFixed(3)}`;
      throw new CostCapError(
        `cost cap: with this ${op} the run could cost ${usd(wouldBe)}, and DEVCTL_LIVE_MAX_USD is ${usd(capMicroUsd)}`,
      );
    }
    this.#count += 1;
    const name = `${op} ${this.#count}`;
    this.#entries.set(name, entry);
    return name;
  }

  #rename(name: string, id: string): void {
    const entry = this.#entries.get(name);
    this.#entries.delete(name);
    // The same token gives the same instance again.
    if (entry !== undefined && !this.#entries.has(id)) this.#entries.set(id, entry);
  }

  #end(id: string): void {
    const entry = this.#entries.get(id);
    if (entry !== undefined) entry.toMs ??= this.#options.now();
  }

  #costOf({ microUsdPerHour, storageMicroUsdPerHour, fromMs, toMs }: Entry): number {
    const lastedMs = (endMs: number) => Math.max(LEAST_MS, endMs - fromMs);
    const { untilMs } = this.#options;
    return (microUsdPerHour * lastedMs(toMs ?? untilMs) + storageMicroUsdPerHour * lastedMs(untilMs)) / HOUR_MS;
  }
}

/** Of a new workspace in a live run. */
export const VOLUME_GIB = 4;

/** The dearest machine that the fleet may give, on demand, with its disks. */
function fleetRate({ LaunchTemplateConfigs = [], TargetCapacitySpecification: capacity }: CreateFleetRequest, region: string): Rate {
  const pools = LaunchTemplateConfigs.flatMap(({ Overrides = [] }) => Overrides);
  const machines = pools.map(({ InstanceType: type = '' }) => {
    const { microUsd, about } = onDemandPrice(type, region);
    return microUsd * (about ? ABOUT : 1) + MACHINE_EXTRAS_MICRO_USD_PER_HOUR;
  });
  const disks = pools.map(({ BlockDeviceMappings = [] }) =>
    volumeMicroUsdPerHour(BlockDeviceMappings.reduce((sum, { Ebs }) => sum + (Ebs?.VolumeSize ?? 0), 0)),
  );
  const count = capacity?.TotalTargetCapacity ?? 1;
  return { microUsdPerHour: Math.max(...machines) * count, storageMicroUsdPerHour: Math.max(...disks) * count };
}
