import { planStanding } from '../../launcher/contract/plan-standing.ts';
import type { Template } from '../../launcher/contract/plan-template.ts';
import { PRICES } from '../../launcher/contract/prices.ts';
import { formatUsd } from '../../launcher/contract/units.ts';
import type { TargetConfig } from '../config.ts';

const MICRO_USD = 1_000_000;
/** What costs less is summed up. */
const NAMED_MICRO_USD = 100_000;
const usd = (microUsd: number): string => formatUsd(microUsd / MICRO_USD);

/** What a deployment costs while nobody uses it, by its template, and what it may cost at most before somebody is told: lines for people. */
export function costLines({ budgetUsd, pool }: TargetConfig, template: Template, templateFile: string): string[] {
  const { lines, microUsd, withoutFreeMicroUsd } = planStanding(template);
  const named = lines.filter((line) => line.microUsd >= NAMED_MICRO_USD);
  const rest = microUsd - named.reduce((sum, line) => sum + line.microUsd, 0);
  const parts = [...named.map((line) => `${line.what} ${usd(line.microUsd)}`), `the rest ${usd(rest)}`];
  return [
    `costs ${usd(microUsd)} a month while nobody uses it (${parts.join(', ')}), ${usd(withoutFreeMicroUsd)} where the account's free units are used up;`,
    `then boxes, disks and snapshots by use: devctl cost --plan --template ${templateFile}. Mails are sent at half, 80 % and all of ${formatUsd(budgetUsd)} a month`,
    ...(pool !== undefined && pool.base > 0
      ? [`a reserve of ${pool.base} stopped boxes costs its disks all the time: devctl pool shows how much`]
      : []),
  ];
}

/** Of data, a month. */
export const volumeUsd = (gib: number): string => usd(gib * PRICES.volumeMicroUsdPerGiBMonth);
/** At most: a snapshot costs what of it differs from the one before. */
export const snapshotUsd = (gib: number): string => usd(gib * PRICES.snapshotMicroUsdPerGiBMonth);
