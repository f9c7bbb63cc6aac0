import { PRICES } from '../../launcher/contract/prices.ts';
import { formatUsd } from '../../launcher/contract/units.ts';
import type { TargetConfig } from '../config.ts';

const MICRO_USD = 1_000_000;
const usd = (microUsd: number): string => formatUsd(microUsd / MICRO_USD);

/** What a deployment costs while nobody uses it, and what it may cost at most before somebody is told: lines for people. */
export function costLines({ budgetUsd, pool }: TargetConfig): string[] {
  return [
    `costs ${usd(PRICES.secretMicroUsdPerMonth)} a month for its secret while nobody uses it, and some cents for the table and the cron of each minute;`,
    `then boxes, disks and snapshots by use: devctl cost plan. Mails are sent at half, 80 % and all of ${formatUsd(budgetUsd)} a month`,
    ...(pool !== undefined && pool.base > 0
      ? [`a reserve of ${pool.base} stopped boxes costs its disks all the time: devctl pool shows how much`]
      : []),
  ];
}

/** Of data, a month. */
export const volumeUsd = (gib: number): string => usd(gib * PRICES.volumeMicroUsdPerGiBMonth);
/** At most: a snapshot costs what of it differs from the one before. */
export const snapshotUsd = (gib: number): string => usd(gib * PRICES.snapshotMicroUsdPerGiBMonth);
