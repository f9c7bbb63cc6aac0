/**
 * What things cost at AWS, in micro-dollars (µ$, millionths of a dollar: whole numbers stay exact), us-east-1.
 *
 * | figure | as of | from |
 * |---|---|---|
 * | machines on demand | 2026-07 | AWS's price file |
 * | gp3, snapshots, public IPv4, a secret | 2026-07 | AWS's price pages |
 * | reading a snapshot in at a rate that is paid for | 2026-07 | AWS's price page: $.0024 to $.0036 by the rate. The most is shown |
 * | spot, where the price of the moment is not known | 2026-07 | published by others: m6i.large at $.029 to $.041. The middle, $.035, is 30 % of m7a.large |
 *
 * A machine that is not in the table is taken for the `.large` of its kind, scaled by its size. Such a figure, and one of another
 * Region, is an estimate and is shown as "about".
 */
export const PRICED_REGION = 'us-east-1';

const ON_DEMAND_MICRO_USD: Readonly<Record<string, number>> = {
  't3a.small': 18_800,
  't3a.medium': 37_600,
  't3a.large': 75_200,
  'm7a.large': 115_900,
  'm7i-flex.large': 95_800,
  'c7a.large': 102_600,
  'm8g.large': 89_800,
};

/** What stands for the machines of a kind that are not in the table: the first letter of their type. */
const KIND_MICRO_USD: Readonly<Record<string, number>> = { t: 75_200, c: 102_600, m: 115_900 };
/** Sizes as shares of `.large`, each twice the one before it. */
const SIZES_OF_LARGE: Readonly<Record<string, number>> = { small: 0.25, medium: 0.5, large: 1, xlarge: 2 };
const SPOT_SHARE = 0.3;

export const PRICES = {
  volumeMicroUsdPerGiBMonth: 80_000,
  snapshotMicroUsdPerGiBMonth: 50_000,
  ipv4MicroUsdPerHour: 5_000,
  secretMicroUsdPerMonth: 400_000,
  /** Of all data of a snapshot, at whatever rate. */
  initializationMicroUsdPerGiB: 3_600,
} as const;

/** The disk that a machine starts from, and what of it the image's own snapshot keeps. */
export const ROOT_GIB = 12;
export const IMAGE_GIB = 8;

export const HOURS_PER_MONTH = 730;

/** A price, and whether it is only an estimate. */
export interface Price {
  microUsd: number;
  about: boolean;
}

function shareOfLarge(size: string): number {
  const many = /^(\d{1,2})xlarge$/.exec(size);
  return many === null ? (SIZES_OF_LARGE[size] ?? 1) : 2 * Number(many[1]);
}

/** An hour of a machine on demand. */
export function onDemandPrice(type: string, region = PRICED_REGION): Price {
  const known = ON_DEMAND_MICRO_USD[type];
  if (known !== undefined) return { microUsd: known, about: region !== PRICED_REGION };
  const large = KIND_MICRO_USD[type.charAt(0)] ?? (KIND_MICRO_USD['m'] as number);
  return { microUsd: Math.round(large * shareOfLarge(type.split('.')[1] ?? '')), about: true };
}

/** An hour of a spot machine where the price of the moment is not known. */
export const usualSpotPrice = (type: string): Price => ({
  microUsd: Math.round(onDemandPrice(type).microUsd * SPOT_SHARE),
  about: true,
});

/** An hour of a volume, rounded to whole micro-dollars. */
export const volumeMicroUsdPerHour = (gib: number): number => Math.round((gib * PRICES.volumeMicroUsdPerGiBMonth) / HOURS_PER_MONTH);

/** What comes with each machine, by the hour: its public IPv4 address and the disk that it starts from. */
export const MACHINE_EXTRAS_MICRO_USD_PER_HOUR = PRICES.ipv4MicroUsdPerHour + volumeMicroUsdPerHour(ROOT_GIB);

/** What an installation costs with no session at all: one secret, and the snapshot of its image. Requests cost cents. */
export const STANDING_MICRO_USD_PER_MONTH = PRICES.secretMicroUsdPerMonth + IMAGE_GIB * PRICES.snapshotMicroUsdPerGiBMonth;
