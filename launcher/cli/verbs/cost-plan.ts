import { IDLE_TTL_RANGE_MS } from '../../contract/api.ts';
import { durationSchema, type Size } from '../../contract/fields.ts';
import { type Plan, planMonth, type Team, TYPE_OF_SIZE } from '../../contract/plan.ts';
import { formatUsd, parseDurationMs } from '../../contract/units.ts';
import type { Cli } from '../cli.ts';
import { wholeNumber } from '../numbers.ts';
import { json, plainRows, table } from '../output.ts';
import { span } from '../text.ts';
import { UsageError } from '../usage-error.ts';
import { check } from '../validate.ts';
import { showStanding, standingOf } from './cost-standing.ts';

const KEEP_VOLUME_MS = 2 * 3_600_000;

function typeOf(cli: Cli): string {
  const { planType, size = 'medium' } = cli.flags;
  if (planType === undefined) return TYPE_OF_SIZE[size as Size];
  if (!/^[a-z][a-z0-9-]{1,15}\.(?:small|medium|large|\d{0,2}xlarge)$/.test(planType))
    throw new UsageError(`--type ${JSON.stringify(planType.slice(0, 80))} is not an instance type`, 'write one such as m7a.large');
  return planType;
}

function teamOf(cli: Cli): Team {
  const { developers = '1', hours = '126', workspaceGib = '64', pool = '0', idle = '30m' } = cli.flags;
  check(durationSchema(IDLE_TTL_RANGE_MS.min, IDLE_TTL_RANGE_MS.max, '30m'), idle, { '': '--idle' });
  return {
    developers: wholeNumber(developers, '--developers', 0, 100_000),
    hours: wholeNumber(hours, '--hours', 0, 730),
    type: typeOf(cli),
    workspaceGiB: wholeNumber(workspaceGib, '--workspace-gib', 1, 16_384),
    idleTtlMs: parseDurationMs(idle) as number,
    keepVolumeMs: KEEP_VOLUME_MS,
    pool: wholeNumber(pool, '--pool', 0, 1000),
  };
}

const usd = (microUsd: number): string => formatUsd(microUsd / 1e6);

function showPlan(cli: Cli, { team, ways, standingMicroUsd, poolMicroUsd }: Plan): void {
  const rows = ways.map((way) => [
    way.name,
    way.market,
    way.hours.toFixed(0),
    usd(way.machineMicroUsd),
    usd(way.addressMicroUsd),
    usd(way.diskMicroUsd),
    usd(way.snapshotMicroUsd),
    usd(way.eachMicroUsd),
    usd(way.teamMicroUsd),
  ]);
  const team_ = team.developers === 1 ? 'A MONTH' : `TEAM OF ${team.developers}`;
  cli.print(table(['WAY', 'MARKET', 'HOURS', 'MACHINE', 'ADDRESS', 'DISKS', 'SNAPSHOTS', 'EACH', team_], rows, cli.out));
  const pool = poolMicroUsd === 0 ? '' : `, ${usd(poolMicroUsd)} for the pool`;
  cli.print(
    `${team.hours} h a month on ${team.type}, ${team.workspaceGiB} GiB, ${span(team.idleTtlMs)} idle; with ${usd(standingMicroUsd)} for the installation${pool}\n`,
  );
  cli.say('prices of us-east-1, 2026-07; spot is taken for 30 % of on demand');
}

/** A team that costs more than this a month hears of it. */
const WARN_MICRO_USD = 50_000_000;

function warnOf(cli: Cli, { ways, standingMicroUsd }: Plan): void {
  const [ephemeral] = ways;
  if (standingMicroUsd > WARN_MICRO_USD) cli.warn(`${usd(standingMicroUsd)} a month while nobody works: more than ${usd(WARN_MICRO_USD)}`);
  else if (ephemeral !== undefined && ephemeral.teamMicroUsd > WARN_MICRO_USD)
    cli.warn(`${usd(ephemeral.teamMicroUsd)} a month in boxes that are let go when idle: more than ${usd(WARN_MICRO_USD)}`);
}

/** Needs neither a launcher nor an account. */
export async function run(cli: Cli): Promise<undefined> {
  const standing = standingOf(cli);
  const plan = planMonth(teamOf(cli), standing ? (boxHours) => standing(boxHours).microUsd : undefined);
  if (cli.form === 'json') cli.print(json(standing ? { ...plan, standing: standing(0) } : plan));
  else if (cli.form === 'plain') {
    const lines = standing?.(0).lines ?? [];
    cli.print(plainRows(lines.map((line) => [line.rate, String(line.microUsd / 1e6), String(line.withoutFreeMicroUsd / 1e6)])));
    cli.print(plainRows(plan.ways.map((way) => [way.name, String(way.eachMicroUsd / 1e6), String(way.teamMicroUsd / 1e6)])));
  } else {
    if (standing) showStanding(cli, standing(0));
    showPlan(cli, plan);
  }
  warnOf(cli, plan);
  return undefined;
}
