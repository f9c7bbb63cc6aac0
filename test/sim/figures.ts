import type { Spread } from './random.ts';

/**
 * What the simulated AWS is calibrated with. Each figure names its row of the project's page of AWS facts; (E) marks an
 * estimate that no row gives.
 */
export const SPREADS = {
  /** (E) */
  describe: { p50Ms: 120, p99Ms: 600 },
  /** (E) */
  mutate: { p50Ms: 300, p99Ms: 1200 },
  /** "RunInstances answers: 1.5 s" */
  runInstances: { p50Ms: 1500, p99Ms: 4000 },
  /** (E) RunInstances, and the choice of a pool before it */
  createFleet: { p50Ms: 2000, p99Ms: 6000 },
  /** "pending → running 4.9 s" */
  pending: { p50Ms: 4900, p99Ms: 12_000 },
  /** "boot → SSH, AL2023 m7i.large: 3.2 s; general-purpose images are slower" */
  boot: { p50Ms: 3200, p99Ms: 9000 },
  /** "CreateVolume: p50 1.5 s, p99 4 s": until it is available */
  createVolume: { p50Ms: 1500, p99Ms: 4000 },
  /** "attach and detach mostly 1–4 s" */
  attach: { p50Ms: 2000, p99Ms: 4000 },
  detach: { p50Ms: 2000, p99Ms: 4000 },
  /** (E) */
  deleteVolume: { p50Ms: 1500, p99Ms: 6000 },
  /** (E) shutting-down → terminated */
  terminate: { p50Ms: 25_000, p99Ms: 90_000 },
  /** (E) stopping → stopped */
  stop: { p50Ms: 25_000, p99Ms: 90_000 },
  /** (E) a snapshot with nothing new in it */
  snapshotBase: { p50Ms: 8000, p99Ms: 60_000 },
  /** "SSM agent Online: 30 s to minutes; > 120 s now and then" */
  ssmOnline: { p50Ms: 45_000, p99Ms: 150_000 },
  /** (E) */
  eventBridge: { p50Ms: 500, p99Ms: 8000 },
} as const satisfies Record<string, Spread>;

export type Step = keyof typeof SPREADS;

/** (E) upload of changed blocks, ms for each GiB */
export const SNAPSHOT_MS_PER_GIB = 12_000;
/** "first read of a block restored from a snapshot: about 35 ms" */
export const COLD_BLOCK_READ_MS = 35;
/** (E) what hydration by itself reads, MiB/s, when no VolumeInitializationRate was paid for */
export const LAZY_HYDRATION_MIB_S = 20;
/** "CopyVolumes: 125 MiB/s until done" */
export const COPY_MIB_S = 125;
/** (E) describes until they see what was changed: most see it at once */
export const READ_LAG = { chance: 0.3, maxMs: 5000 };
/** (E) a client gives up waiting for an answer */
export const ANSWER_LOST_MS = 20_000;
/** What is terminated is shown for about an hour. [M] */
export const TERMINATED_SHOWN_MS = 3_600_000;
/** (E) a token is remembered at least as long. */
export const TOKEN_KEPT_MS = 24 * 3_600_000;

/** "Token buckets (max / refill per second)" */
const MUTATING = { max: 50, perSecond: 5 };
export const BUCKETS: Readonly<Record<string, { max: number; perSecond: number }>> = {
  runInstances: { max: 5, perSecond: 2 },
  startInstances: { max: 5, perSecond: 2 },
  createFleet: MUTATING,
  attachVolume: MUTATING,
  detachVolume: MUTATING,
  createVolume: { max: 100, perSecond: 5 },
  deleteVolume: { max: 100, perSecond: 5 },
  createSnapshot: { max: 100, perSecond: 5 },
  terminateInstances: { max: 100, perSecond: 5 },
  createTags: { max: 100, perSecond: 10 },
  startSession: { max: 3, perSecond: 3 },
  getConnectionStatus: { max: 50, perSecond: 50 },
};
/** (E) calls that no row names */
export const OTHER_MUTATING = MUTATING;
/** "Describe* 100/20 filtered or paginated, 50/10 otherwise" */
export const DESCRIBE_NARROW = { max: 100, perSecond: 20 };
export const DESCRIBE_WIDE = { max: 50, perSecond: 10 };

/** "Token buckets", its last lines, and "CopyVolumes: 5 at once" */
export const QUOTAS = {
  spotVcpus: 5,
  /** (E) of a new account */
  onDemandVcpus: 32,
  /** (E) 50 TiB of gp3 */
  volumeGiB: 51_200,
  snapshots: 100_000,
  pendingSnapshotsPerVolume: 5,
  snapshotSpacingMs: 15_000,
  copiesAtOnce: 5,
  /** (E) attachments of one Nitro instance */
  attachmentsPerInstance: 28,
};
export type Quotas = typeof QUOTAS;

export interface InstanceTypeFigures {
  vcpus: number;
  memoryMiB: number;
  architecture: 'x86_64' | 'arm64';
  onDemandUsdPerHour: number;
}

interface Family {
  architecture: 'x86_64' | 'arm64';
  /** Of its `.large`, which has two processors; the others are multiples of it. */
  largeUsdPerHour: number;
  largeGiB: number;
  sizes: readonly (keyof typeof PARTS_OF_LARGE)[];
}

const PARTS_OF_LARGE = { small: 0.25, medium: 0.5, large: 1, xlarge: 2, '2xlarge': 4 };
const BURSTABLE = ['small', 'medium', 'large', 'xlarge', '2xlarge'] as const;
const FROM_MEDIUM = ['medium', 'large', 'xlarge', '2xlarge'] as const;
const FROM_LARGE = ['large', 'xlarge', '2xlarge'] as const;

/** "Prices, us-east-1 (on-demand per hour)" of t3a, m7a, m7i-flex, c7a and m8g; (E) of the others */
const FAMILIES: Readonly<Record<string, Family>> = {
  t3a: { architecture: 'x86_64', largeUsdPerHour: 0.0752, largeGiB: 8, sizes: BURSTABLE },
  t3: { architecture: 'x86_64', largeUsdPerHour: 0.0832, largeGiB: 8, sizes: BURSTABLE },
  m7a: { architecture: 'x86_64', largeUsdPerHour: 0.1159, largeGiB: 8, sizes: FROM_MEDIUM },
  m7i: { architecture: 'x86_64', largeUsdPerHour: 0.1008, largeGiB: 8, sizes: FROM_LARGE },
  'm7i-flex': { architecture: 'x86_64', largeUsdPerHour: 0.0958, largeGiB: 8, sizes: FROM_LARGE },
  m6a: { architecture: 'x86_64', largeUsdPerHour: 0.0864, largeGiB: 8, sizes: FROM_LARGE },
  m6i: { architecture: 'x86_64', largeUsdPerHour: 0.096, largeGiB: 8, sizes: FROM_LARGE },
  c7a: { architecture: 'x86_64', largeUsdPerHour: 0.1026, largeGiB: 4, sizes: FROM_MEDIUM },
  c7i: { architecture: 'x86_64', largeUsdPerHour: 0.0893, largeGiB: 4, sizes: FROM_LARGE },
  'c7i-flex': { architecture: 'x86_64', largeUsdPerHour: 0.0848, largeGiB: 4, sizes: FROM_LARGE },
  c6a: { architecture: 'x86_64', largeUsdPerHour: 0.0765, largeGiB: 4, sizes: FROM_LARGE },
  c6i: { architecture: 'x86_64', largeUsdPerHour: 0.085, largeGiB: 4, sizes: FROM_LARGE },
  t4g: { architecture: 'arm64', largeUsdPerHour: 0.0672, largeGiB: 8, sizes: BURSTABLE },
  m8g: { architecture: 'arm64', largeUsdPerHour: 0.0898, largeGiB: 8, sizes: FROM_MEDIUM },
  m7g: { architecture: 'arm64', largeUsdPerHour: 0.0816, largeGiB: 8, sizes: FROM_MEDIUM },
  m6g: { architecture: 'arm64', largeUsdPerHour: 0.077, largeGiB: 8, sizes: FROM_MEDIUM },
  c8g: { architecture: 'arm64', largeUsdPerHour: 0.0798, largeGiB: 4, sizes: FROM_MEDIUM },
  c7g: { architecture: 'arm64', largeUsdPerHour: 0.0725, largeGiB: 4, sizes: FROM_MEDIUM },
  c6g: { architecture: 'arm64', largeUsdPerHour: 0.068, largeGiB: 4, sizes: FROM_MEDIUM },
};

export const INSTANCE_TYPES: Readonly<Record<string, InstanceTypeFigures>> = Object.fromEntries(
  Object.entries(FAMILIES).flatMap(([family, { architecture, largeUsdPerHour, largeGiB, sizes }]) =>
    sizes.map((size) => {
      const part = PARTS_OF_LARGE[size];
      const figures: InstanceTypeFigures = {
        // The small ones of the burstable families have two processors as well.
        vcpus: Math.max(sizes === BURSTABLE ? 2 : 1, 2 * part),
        memoryMiB: largeGiB * 1024 * part,
        architecture,
        onDemandUsdPerHour: Math.round(largeUsdPerHour * part * 10_000) / 10_000,
      };
      return [`${family}.${size}`, figures];
    }),
  ),
);
/** "spot m6i.large .029–.041": about a third of on-demand; (E) for the other types */
export const SPOT_SHARE = { low: 0.3, high: 0.43 };
/** "gp3 $.08/GB-month · snapshot $.05/GB-month · public IPv4 $.005/h", "VolumeInitializationRate … $0.0024–0.0036/GB" */
export const STORAGE_PRICES = {
  volumeUsdPerGiBMonth: 0.08,
  snapshotUsdPerGiBMonth: 0.05,
  publicIpUsdPerHour: 0.005,
  initializationUsdPerGiB: 0.0036,
};
