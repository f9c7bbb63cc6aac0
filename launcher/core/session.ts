import type { Egress } from '../contract/egress.ts';
import type { Architecture, Policy, Size } from '../contract/fields.ts';
import { isFinal, isLegal, type Phase } from '../contract/phases.ts';
import type { SessionEvent, SessionRecord } from '../contract/records.ts';
import type { Secret } from '../contract/secrets.ts';
import { metered } from './cost.ts';
import { newLease } from './lease.ts';
import { LIMITS } from './limits.ts';

/** An event before it has its place in the order. */
export interface NewEvent {
  type: string;
  message: string;
  data?: Record<string, unknown>;
}

/** What one step does to the record. The phase may only move along an edge of the table. */
export interface Change {
  patch: Partial<Omit<SessionRecord, 'owner' | 'id' | 'version' | 'outbox' | 'phaseSince' | 'timings' | 'spend'>>;
  events?: NewEvent[];
}

export interface NewSession {
  owner: string;
  id: string;
  workspace: string;
  workspaceId: string;
  size: Size;
  policy: Policy;
  instanceTypes: string[];
  arch: Architecture | null;
  network: boolean;
  persistent: boolean;
  egress: Egress;
  secrets: Secret[];
  awsCredentials: boolean;
  idleTtlMs: number;
  maxTtlMs: number;
}

const requested = ({ workspace }: NewSession): NewEvent => ({ type: 'session.requested', message: `session for workspace ${workspace}` });

/** The record of a session that was just asked for, version 1. @param first what its events begin with */
export function newSession(input: NewSession, nowMs: number, first = requested(input)): SessionRecord {
  const { idleTtlMs, maxTtlMs, ...rest } = input;
  const session: SessionRecord = {
    ...rest,
    version: 1,
    phase: 'requested',
    phaseSince: nowMs,
    desired: 'ready',
    endReason: null,
    generation: 1,
    dueAt: nowMs,
    createdAt: nowMs,
    readyAt: null,
    endedAt: null,
    lease: newLease(nowMs, idleTtlMs, maxTtlMs),
    op: null,
    box: null,
    snapshot: null,
    checkpoint: null,
    report: null,
    interruption: null,
    save: 'none',
    nextSnapshotAt: null,
    receipt: null,
    failure: null,
    launchAttempts: 0,
    rescues: 0,
    timings: { requested: nowMs },
    providerState: null,
    outbox: [],
  };
  return {
    ...session,
    outbox: numberEvents([first], 1, nowMs),
  };
}

/** Ids sort as text: the version of the record that they were saved with, then their place in it. */
function numberEvents(events: NewEvent[], version: number, nowMs: number): SessionEvent[] {
  return events.map((event, index) => ({
    ...event,
    message: event.message.slice(0, 1000),
    id: `${String(version).padStart(10, '0')}.${String(index).padStart(2, '0')}`,
    atMs: nowMs,
  }));
}

/**
 * True when the events kept in the record must go to items of their own before this change: most changes then cost one write,
 * and the record stays small.
 */
export const outboxIsFull = (session: SessionRecord, change: Change): boolean =>
  session.outbox.length > 0 && session.outbox.length + (change.events ?? []).length > LIMITS.outboxEvents;

/** The record after a change, still with the version that it was read at: saving raises it. Throws on an illegal edge. */
export function applyChange(session: SessionRecord, change: Change, nowMs: number): SessionRecord {
  const phase: Phase = change.patch.phase ?? session.phase;
  if (!isLegal(session.phase, phase)) throw new Error(`no edge from ${session.phase} to ${phase}`);
  const moved = phase !== session.phase;
  const next: SessionRecord = {
    ...session,
    ...change.patch,
    outbox: [...session.outbox, ...numberEvents((change.events ?? []).slice(0, LIMITS.outboxEvents), session.version + 1, nowMs)],
  };
  if (moved) {
    next.phaseSince = nowMs;
    next.timings = { ...session.timings, [phase]: nowMs };
  }
  if (isFinal(phase)) {
    next.dueAt = null;
    if (moved) next.endedAt = nowMs;
  }
  const spend = metered(session, next, nowMs);
  return spend === undefined ? next : { ...next, spend };
}
