import type { Phase } from '../contract/phases.ts';
import { HOURS_PER_MONTH } from '../contract/prices.ts';
import type {
  BoxRecord,
  SessionCharge,
  SessionRecord,
  SnapshotRecord,
  Spend,
  Spent,
  StorageCharge,
  WorkspaceRecord,
} from '../contract/records.ts';

/**
 * Money is counted in whole micro-dollars (µ$). What an interval costs is rounded down at both of its ends, each counted from the
 * epoch: so the parts of an interval, however it is cut, cost exactly what the whole of it does, and nothing is off by more
 * than one µ$.
 */
export interface Rate {
  microUsd: number;
  /** Of so many things, @default 1 … */
  quantity?: number;
  /** … each of which is one part in so many of what the price is for. @default 1 */
  unit?: number;
  perMs: number;
}

export const HOUR_MS = 3_600_000;
export const MONTH_MS = HOURS_PER_MONTH * HOUR_MS;
const GIB = 1024 ** 3;

/** µ$ from one moment to the other; 0 where the clock went back. */
export function accrued({ microUsd, quantity = 1, unit = 1, perMs }: Rate, fromMs: number, untilMs: number): number {
  if (untilMs <= fromMs) return 0;
  const price = BigInt(microUsd) * BigInt(quantity);
  const per = BigInt(unit) * BigInt(perMs);
  return Number((price * BigInt(untilMs)) / per - (price * BigInt(fromMs)) / per);
}

/** Dollars for people and programs: of whole micro-dollars the nearest number. */
export const dollars = (microUsd: number): number => microUsd / 1e6;

/** The month of the calendar, UTC: `2026-11`. */
export const monthOf = (ms: number): string => new Date(ms).toISOString().slice(0, 7);

export function monthRange(month: string): { fromMs: number; untilMs: number } {
  const [year, number] = month.split('-').map(Number) as [number, number];
  return { fromMs: Date.UTC(year, number - 1), untilMs: Date.UTC(year, number) };
}

/** An interval cut where months begin. */
export function byMonth(fromMs: number, untilMs: number): Array<{ month: string; fromMs: number; untilMs: number }> {
  const parts: Array<{ month: string; fromMs: number; untilMs: number }> = [];
  for (let startMs = fromMs; startMs < untilMs; ) {
    const month = monthOf(startMs);
    const endMs = Math.min(untilMs, monthRange(month).untilMs);
    parts.push({ month, fromMs: startMs, untilMs: endMs });
    startMs = endMs;
  }
  return parts;
}

export const NOTHING: Spent = { boxMicroUsd: 0, diskMicroUsd: 0, boxMs: 0 };

export const plus = (a: Spent, b: Spent): Spent => ({
  boxMicroUsd: a.boxMicroUsd + b.boxMicroUsd,
  diskMicroUsd: a.diskMicroUsd + b.diskMicroUsd,
  boxMs: a.boxMs + b.boxMs,
});

/** Whether a machine is paid for in a phase, where the session has a box. */
const HAS_MACHINE: Readonly<Record<Phase, boolean>> = {
  requested: false,
  launching: false,
  bootstrapping: true,
  ready: true,
  parking: true,
  parked: false,
  quiescing: true,
  rescuing: true,
  ending: true,
  saving: false,
  stopped: false,
  failed: false,
};

type Priced = BoxRecord & { price: NonNullable<BoxRecord['price']> };

/** The box that is paid for now; null when there is none, or it costs nothing. */
const paidBox = ({ box, phase }: SessionRecord): Priced | null =>
  box?.price !== undefined && HAS_MACHINE[phase] ? { ...box, price: box.price } : null;

/** What the boxes of a session cost, by month. */
export function spentByMonth(session: SessionRecord, nowMs: number): Record<string, Spent> {
  const months: Record<string, Spent> = { ...session.spend?.months };
  const box = paidBox(session);
  const sinceMs = session.spend?.sinceMs ?? null;
  if (box === null || sinceMs === null) return months;
  const { boxMicroUsdPerHour, diskMicroUsdPerHour } = box.price;
  for (const { month, fromMs, untilMs } of byMonth(sinceMs, nowMs)) {
    months[month] = plus(months[month] ?? NOTHING, {
      boxMicroUsd: accrued({ microUsd: boxMicroUsdPerHour, perMs: HOUR_MS }, fromMs, untilMs),
      diskMicroUsd: accrued({ microUsd: diskMicroUsdPerHour, perMs: HOUR_MS }, fromMs, untilMs),
      boxMs: untilMs - fromMs,
    });
  }
  return months;
}

/** What the boxes of a session cost in all. */
export const spentInAll = (session: SessionRecord, nowMs: number): Spent =>
  Object.values(spentByMonth(session, nowMs)).reduce(plus, NOTHING);

/** What it costs an hour as it stands, µ$. */
export function burnOf(session: SessionRecord): number {
  const price = paidBox(session)?.price;
  return price === undefined ? 0 : price.boxMicroUsdPerHour + price.diskMicroUsdPerHour;
}

/** The meter of a session after a change: it stands when a box has gone, and starts when one has come. */
export function metered(before: SessionRecord, next: SessionRecord, nowMs: number): Spend | undefined {
  const [was, is] = [paidBox(before), paidBox(next)];
  if (was?.id === is?.id) return next.spend;
  const months = spentByMonth(before, nowMs);
  const about = before.spend?.about === true || is?.price.about === true;
  return { ...next.spend, months, sinceMs: is === null ? null : nowMs, about };
}

/** The entries that a session leaves when it is over, one for each month that it cost something in. */
export function sessionCharges(session: SessionRecord, nowMs: number): SessionCharge[] {
  const { owner, workspace, workspaceId, id: sessionId, spend } = session;
  return Object.entries(spentByMonth(session, nowMs)).map(([month, spent]) => ({
    kind: 'session',
    owner,
    month,
    workspace,
    workspaceId,
    sessionId,
    untilMs: nowMs,
    spent,
    about: spend?.about === true,
  }));
}

/** What storage costs; a provider for which it costs nothing has none. */
export interface StoragePrices {
  diskMicroUsdPerGiBMonth: number;
  snapshotMicroUsdPerGiBMonth: number;
}

type Level = StorageCharge['level'];

/**
 * What a workspace keeps. Snapshots have their blocks in common: the largest counts whole, the others with what they added. Where
 * that is not told, they count as nothing, and the figure is the least that it may be.
 */
export function storageLevel(workspace: WorkspaceRecord | null, snapshots: readonly SnapshotRecord[]): Level {
  const kept = snapshots.filter(({ state }) => state === 'completed').sort((a, b) => (b.bytes ?? 0) - (a.bytes ?? 0));
  const [largest, ...others] = kept;
  const added = others.reduce((sum, { newBytes }) => sum + (newBytes ?? 0), 0);
  return {
    diskGiB: workspace?.volume?.gib ?? 0,
    snapshotBytes: (largest?.bytes ?? 0) + added,
    about: others.some(({ newBytes }) => newBytes === null),
  };
}

/** What a workspace's storage cost in the month of its entry, until `untilMs` or the end of the month. */
export function storageSpent(
  charge: StorageCharge,
  prices: StoragePrices,
  untilMs: number,
): { diskMicroUsd: number; snapshotMicroUsd: number } {
  const { level } = charge;
  const [fromMs, endMs] = [charge.untilMs, Math.min(untilMs, monthRange(charge.month).untilMs)];
  const disk = { microUsd: prices.diskMicroUsdPerGiBMonth, quantity: level.diskGiB, perMs: MONTH_MS };
  const snapshots = { microUsd: prices.snapshotMicroUsdPerGiBMonth, quantity: level.snapshotBytes, unit: GIB, perMs: MONTH_MS };
  return {
    diskMicroUsd: charge.diskMicroUsd + accrued(disk, fromMs, endMs),
    snapshotMicroUsd: charge.snapshotMicroUsd + accrued(snapshots, fromMs, endMs),
  };
}

/** What a workspace's storage costs an hour as it stands, µ$. */
export const storageBurn = ({ diskGiB, snapshotBytes }: Level, prices: StoragePrices): number =>
  Math.round((diskGiB * prices.diskMicroUsdPerGiBMonth + (snapshotBytes / GIB) * prices.snapshotMicroUsdPerGiBMonth) / HOURS_PER_MONTH);

/**
 * The month's entry of a workspace's storage at `nowMs`; null when the one there is says it already. The first one of a month counts
 * what is there from the beginning of the month, or of the workspace, on.
 */
export function storageEntry(
  known: StorageCharge | null,
  workspace: Pick<WorkspaceRecord, 'owner' | 'name' | 'id' | 'createdAt'>,
  level: Level,
  prices: StoragePrices,
  nowMs: number,
): StorageCharge | null {
  if (known !== null && JSON.stringify(known.level) === JSON.stringify(level)) return null;
  const month = monthOf(nowMs);
  const fresh: StorageCharge = {
    kind: 'storage',
    owner: workspace.owner,
    month,
    workspace: workspace.name,
    workspaceId: workspace.id,
    untilMs: Math.max(monthRange(month).fromMs, workspace.createdAt),
    diskMicroUsd: 0,
    snapshotMicroUsd: 0,
    level,
  };
  const base = known ?? fresh;
  return { ...base, ...storageSpent(base, prices, nowMs), level, untilMs: Math.max(base.untilMs, nowMs) };
}

/** What a month will have cost when it goes on as it has until now. */
export function projected(spentMicroUsd: number, month: string, nowMs: number): number {
  const { fromMs, untilMs } = monthRange(month);
  if (nowMs >= untilMs || nowMs <= fromMs) return spentMicroUsd;
  return Math.round((spentMicroUsd * (untilMs - fromMs)) / (nowMs - fromMs));
}
