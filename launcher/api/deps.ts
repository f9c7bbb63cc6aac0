import type { Readable } from 'node:stream';
import type { Check, ReapResult, RecoverResult } from '../contract/api.ts';
import type { PoolPlan } from '../contract/pool.ts';
import type { Limits } from '../core/limits.ts';
import type { Money } from '../core/statement.ts';
import type { LedgerDeps } from '../ledger/sessions.ts';
import type { AccessPort } from '../ports/access.ts';
import type { Random } from '../ports/clock.ts';
import type { BoxOffers, PoolPort } from '../ports/compute.ts';
import type { Machines } from '../ports/provider.ts';
import type { Quotas } from '../ports/store.ts';
import type { Telemetry } from '../ports/telemetry.ts';
import type { Identify } from './identify.ts';

export interface ApiConfig {
  version: string;
  providerName: string;
  offers: BoxOffers;
  /** What keeps a box in, for `info`: `bubblewrap`. */
  isolation: string;
  /** Exact values of the Host header, lower case. `listen` adds the address that it listens on. */
  allowedHosts: string[];
  /** How its boxes are reached: through the launcher, or by the client itself. @default relay */
  reach?: 'direct' | 'relay';
  /** Key of the MAC over cursors. Any process that serves the same clients needs the same one. */
  cursorSecret: string;
}

/** Everything that the API needs; the composition root gives it. */
export interface ApiDeps extends LedgerDeps {
  access: AccessPort;
  random: Random;
  telemetry: Telemetry;
  limits: Limits;
  quotas: Quotas;
  money: Money;
  pool: { plan: PoolPlan; port: PoolPort | null };
  config: ApiConfig;
  startedAtMs: number;
  /** Of boxes that are machines with an identity of their own; left out where each box has a token. */
  machines?: Machines;
  /** How callers are known. @default by their tokens */
  identify?: Identify;
  /** One pass of the reaper and the garbage collector. */
  reap(dryRun: boolean): Promise<ReapResult>;
  /** Rebuilds records from tags. */
  recover(dryRun: boolean): Promise<RecoverResult>;
  /** What `doctor` shows of the launcher's side. */
  checks(): Promise<Check[]>;
  /** The launcher's own log, oldest line first. */
  launcherLogs(options: { tailLines: number; follow: boolean }): Promise<Readable>;
  /** Prometheus text. */
  metricsText(): string;
}
