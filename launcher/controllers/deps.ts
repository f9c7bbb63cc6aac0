import { createHash } from 'node:crypto';
import type { PoolPlan } from '../contract/pool.ts';
import type { SessionRecord } from '../contract/records.ts';
import type { Limits } from '../core/limits.ts';
import type { Budgets } from '../core/statement.ts';
import type { LedgerDeps } from '../ledger/sessions.ts';
import type { AccessPort } from '../ports/access.ts';
import type { ComputePort } from '../ports/compute.ts';
import type { SessionKey } from '../ports/store.ts';
import type { Telemetry } from '../ports/telemetry.ts';

export interface ControllerDeps extends LedgerDeps {
  compute: ComputePort;
  access: AccessPort;
  telemetry: Telemetry;
  limits: Limits;
  budgets: Budgets;
  /** The boxes that are kept in reserve, where the provider can. */
  pool: PoolPlan;
  /** The token of one generation's box (makeBoxToken of contract/tokens: it names the owner). The same session and generation always give the same one: a launch may be repeated. */
  boxToken(session: SessionKey, generation: number): string;
}

export const boxTokenHash = (deps: ControllerDeps, session: SessionRecord): string =>
  createHash('sha256').update(deps.boxToken(session, session.generation)).digest('hex');
