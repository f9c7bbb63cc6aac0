import type { Size } from './fields.ts';
import {
  HOURS_PER_MONTH,
  onDemandPrice,
  PRICES,
  ROOT_GIB,
  STANDING_MICRO_USD_PER_MONTH,
  usualSpotPrice,
  volumeMicroUsdPerHour,
} from './prices.ts';

/** A team's month, as far as its cost depends on it. */
export interface Team {
  developers: number;
  /** That each of them works in a box, a month. */
  hours: number;
  /** Instance type. */
  type: string;
  workspaceGiB: number;
  /** How long a box waits for more work before it is let go. */
  idleTtlMs: number;
  /** How long a disk is kept after that. */
  keepVolumeMs: number;
  /** Stopped boxes that were started once, for a quicker start. */
  pool: number;
}

/** One way to give a developer a box: what its month costs, micro-dollars. */
export interface Way {
  name: 'ephemeral' | 'persistent' | 'always-on';
  market: 'spot' | 'on-demand';
  /** That the machine runs. */
  hours: number;
  machineMicroUsd: number;
  addressMicroUsd: number;
  diskMicroUsd: number;
  snapshotMicroUsd: number;
  /** All of it, for one developer. */
  eachMicroUsd: number;
  /** For the team, with what stands whether or not anybody works. */
  teamMicroUsd: number;
}

export interface Plan {
  team: Team;
  ways: Way[];
  /** The installation itself while nobody works: a secret, the image; or what a template has. */
  standingMicroUsd: number;
  poolMicroUsd: number;
}

/** The machine that stands for a class. The one that is launched is the cheapest of many: most often it costs less. */
export const TYPE_OF_SIZE: Readonly<Record<Size, string>> = {
  small: 't3a.small',
  medium: 'c7a.large',
  large: 'c7a.xlarge',
  xlarge: 'c7a.2xlarge',
};

/** Boxes begin and end with stretches of work of about this many hours: each has its idle time at its end. */
const STRETCH_HOURS = 6;
const HOUR_MS = 3_600_000;

const bounded = (hours: number): number => Math.min(HOURS_PER_MONTH, hours);
const gp3 = (gib: number, hours: number): number => Math.round(volumeMicroUsdPerHour(gib) * hours);

type Figures = Omit<Way, 'eachMicroUsd' | 'teamMicroUsd'>;

function ephemeral(team: Team): Figures {
  const stretches = Math.ceil(team.hours / STRETCH_HOURS);
  const hours = bounded(team.hours + (stretches * team.idleTtlMs) / HOUR_MS);
  const diskHours = bounded(hours + (stretches * team.keepVolumeMs) / HOUR_MS);
  return {
    name: 'ephemeral',
    market: 'spot',
    hours,
    machineMicroUsd: Math.round(usualSpotPrice(team.type).microUsd * hours),
    addressMicroUsd: Math.round(PRICES.ipv4MicroUsdPerHour * hours),
    diskMicroUsd: gp3(team.workspaceGiB, diskHours) + gp3(ROOT_GIB, hours),
    snapshotMicroUsd: team.hours === 0 ? 0 : team.workspaceGiB * PRICES.snapshotMicroUsdPerGiBMonth,
  };
}

/** A machine that is stopped when nobody works, with its disks kept; and the snapshots of each day. */
function persistent(team: Team): Figures {
  const { hours, snapshotMicroUsd } = ephemeral(team);
  return { ...machineOf(team, hours), name: 'persistent', snapshotMicroUsd };
}

const alwaysOn = (team: Team): Figures => ({ ...machineOf(team, HOURS_PER_MONTH), name: 'always-on', snapshotMicroUsd: 0 });

const machineOf = (team: Team, hours: number) => ({
  market: 'on-demand' as const,
  hours,
  machineMicroUsd: Math.round(onDemandPrice(team.type).microUsd * hours),
  addressMicroUsd: Math.round(PRICES.ipv4MicroUsdPerHour * hours),
  diskMicroUsd: (team.workspaceGiB + ROOT_GIB) * PRICES.volumeMicroUsdPerGiBMonth,
});

/**
 * What a month costs a team in each way; the snapshots count the workspace once, whatever changes in it comes to them. `standing` is
 * what the installation itself costs when boxes run so many hours.
 */
export function planMonth(team: Team, standing: (boxHours: number) => number = () => STANDING_MICRO_USD_PER_MONTH): Plan {
  const poolMicroUsd = team.pool * ROOT_GIB * PRICES.volumeMicroUsdPerGiBMonth;
  const ways = [ephemeral(team), persistent(team), alwaysOn(team)].map((figures): Way => {
    const { machineMicroUsd, addressMicroUsd, diskMicroUsd, snapshotMicroUsd, name } = figures;
    const eachMicroUsd = machineMicroUsd + addressMicroUsd + diskMicroUsd + snapshotMicroUsd;
    const shared = name === 'always-on' ? 0 : standing(figures.hours * team.developers) + (name === 'ephemeral' ? poolMicroUsd : 0);
    return { ...figures, eachMicroUsd, teamMicroUsd: eachMicroUsd * team.developers + shared };
  });
  return { team, ways, standingMicroUsd: standing(0), poolMicroUsd };
}
