import { PRICES } from '../../contract/prices.ts';
import type { Random } from '../../ports/clock.ts';
import type { ComputePort } from '../../ports/compute.ts';
import type { Ec2Api } from './api.ts';
import { Boxes } from './boxes.ts';
import { Calls } from './calls.ts';
import type { BoxChannel } from './channel.ts';
import { Choices } from './choice.ts';
import { Copies } from './copies.ts';
import { asComputeError } from './errors.ts';
import { Launches } from './launch.ts';
import { EC2_LIMITS, type Ec2Limits } from './limits.ts';
import { listAll } from './list.ts';
import { Loads } from './loads.ts';
import { createLooks } from './looks.ts';
import { Turns } from './memory.ts';
import { PoolBoxes } from './pool-boxes.ts';
import { Pools, type Subnet } from './pools.ts';
import { Prices } from './prices.ts';
import { Snapshots } from './snapshots.ts';
import { refText } from './tags.ts';
import { Takes } from './take.ts';
import { ensureTemplate, type LaunchTemplate, type TemplateSettings } from './template.ts';
import { fixedTemplates, type TemplateSource, type Templates } from './templates.ts';
import type { Time } from './timers.ts';
import { Volumes } from './volumes.ts';
import { Wakes } from './wake.ts';

export interface Ec2ProviderOptions {
  ec2: Ec2Api;
  /** How boxes are told to stand still. */
  channel: BoxChannel;
  time: Time;
  random: Random;
  region: string;
  /** Name of this installation: it owns what carries it as a tag, and nothing else. */
  deployment: string;
  /** What machines are launched by: its first architecture is what is launched when nobody says. */
  templates: Templates | TemplateSource;
  /** Where boxes may be, each in its zone. */
  subnets: readonly Subnet[];
  /** Size of a new workspace; one from a larger snapshot is as large as that. @default 64 */
  volumeGiB?: number;
  /**
   * MiB a second, 100 to 300, at which disks from snapshots are read in, which AWS charges for. Such a disk is attached once its machine
   * runs. @default null, as they are used
   */
  volumeInitializationRate?: number | null;
  /** Tag on boxes for whoever sweeps the account. @default 24h */
  ttl?: string;
  limits?: Partial<Ec2Limits>;
  /** Called when AWS refuses a call because there are too many. */
  onThrottled?: (op: string) => void;
}

/**
 * Boxes on EC2, workspaces on EBS. A box proves who it is by its instance identity, so the box token goes nowhere; nothing secret
 * is in any call. What this object remembers makes it quicker: a new one with the same options does the same.
 */
export function createEc2Provider(options: Ec2ProviderOptions): ComputePort {
  const { time, deployment, channel, subnets, region } = options;
  const templates = 'of' in options.templates ? options.templates : fixedTemplates(options.templates);
  const limits = { ...EC2_LIMITS, ...options.limits };
  const calls = new Calls({ ...options, api: options.ec2, limits });
  const looks = createLooks({ calls, time, limits, deployment });
  const boxes = new Boxes({ calls, looks, time, limits, deployment });
  const volumes = new Volumes({ calls, looks, boxes, time, limits });
  const copies = new Copies({ calls, time, limits, deployment, random: options.random });
  const snapshots = new Snapshots({ calls, looks, channel, time, limits, deployment, copies });
  const pools = new Pools({ calls, time, limits, subnets });
  const { architectures } = templates;
  const choices = new Choices({ calls, time, limits, region, templates });
  const prices = new Prices({ calls, time, limits, architectures, region });
  const { volumeGiB = 64, ttl = '24h' } = options;
  const wakes = new Wakes({ calls, boxes, time, limits, deployment });
  const loads = new Loads({ calls, deployment, mibPerSecond: options.volumeInitializationRate ?? null });
  const takes = new Takes({ calls, boxes, loads, time, limits, deployment, ttl });
  const parts = { calls, looks, pools, prices, boxes, volumes, snapshots, time, limits, deployment, choices, wakes, takes, loads };
  const poolBoxes = new PoolBoxes({ ...parts, templates });
  const launches = new Launches({ ...parts, ttl, volumeGiB });
  const turns = new Turns();
  return {
    name: 'ec2',
    storagePrices: {
      diskMicroUsdPerGiBMonth: PRICES.volumeMicroUsdPerGiBMonth,
      snapshotMicroUsdPerGiBMonth: PRICES.snapshotMicroUsdPerGiBMonth,
    },
    offers: { architectures, instanceTypes: true, awsRole: true, egress: true },
    pool: {
      kind: () => port('kind', () => poolBoxes.kind()),
      microUsdPerMonth: poolBoxes.microUsdPerMonth,
      fill: (request) => port('fill', () => turns.take(request.id, () => poolBoxes.fill(request))),
      observe: (box) => port('observe', () => poolBoxes.observe(box)),
      park: (box) => port('park', () => poolBoxes.park(box)),
      end: (box) => port('end', () => poolBoxes.end(box)),
      placeOf: (volumeId) => port('placeOf', () => poolBoxes.placeOf(volumeId)),
    },
    launch: (request) => port('launch', () => turns.take(request.tags.operationId, () => launches.step(request))),
    observe: (box) => port('observe', () => boxes.observe(box)),
    quiesce: (box, operationId) =>
      port('quiesce', async () => {
        const report = await channel.quiesce(box, operationId);
        boxes.noteQuiet(box.boxId);
        return report;
      }),
    snapshot: (request) => port('snapshot', () => turns.take(refText(request.ref), () => snapshots.take(request))),
    observeSnapshot: (ref) => port('observeSnapshot', () => snapshots.status(ref)),
    park: (box) => port('park', () => boxes.park(box)),
    end: (box) => port('end', () => boxes.end(box)),
    dropVolume: (volumeId) => port('dropVolume', () => volumes.drop(volumeId)),
    dropSnapshot: (ref) => port('dropSnapshot', () => turns.take(refText(ref), () => snapshots.drop(ref))),
    list: (of) => port('list', () => listAll({ calls, limits, deployment, prices }, of)),
  };
}

/** Errors of AWS leave in the words of the port. */
async function port<T>(doing: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw asComputeError(error, doing);
  }
}

/** The launch template of these settings; made once, and the same one from then on. */
export const ensureLaunchTemplate = (
  options: Pick<Ec2ProviderOptions, 'ec2' | 'time' | 'random'>,
  settings: TemplateSettings,
): Promise<LaunchTemplate> => ensureTemplate(new Calls({ ...options, api: options.ec2, limits: EC2_LIMITS }), settings);
