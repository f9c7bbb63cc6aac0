import type { Client, Session } from '../client/client.ts';
import type { CreateSessionInput } from '../contract/api.ts';
import { DevctlError, isDevctlError } from '../contract/errors.ts';
import { isFinal } from '../contract/phases.ts';
import { formatDuration } from '../contract/units.ts';
import type { Steps } from './steps.ts';
import { plainText } from './text.ts';

const LOOK_AGAIN_MS = 100;
/** A single request waits no longer than this: connections through proxies die of old age. */
const WAIT_SLICE_MS = 120_000;

/** A moment after which waiting ends. */
export interface Deadline {
  readonly timeoutMs: number;
  leftMs(): number;
}

export function deadlineIn(timeoutMs: number): Deadline {
  const start = performance.now();
  return { timeoutMs, leftMs: () => Math.max(0, timeoutMs - (performance.now() - start)) };
}

const late = (session: Session, deadline: Deadline): DevctlError =>
  new DevctlError('timeout', `session ${session.id} is still ${session.phase} after ${formatDuration(deadline.timeoutMs)}`, {
    hint: 'it goes on in the background: see devctl status, or run devctl up again',
    sessionId: session.id,
  });

/** Asks again and again until the session is ready or over. */
async function settled(client: Client, session: Session, deadline: Deadline, signal?: AbortSignal): Promise<Session> {
  for (;;) {
    const waitMs = Math.min(WAIT_SLICE_MS, Math.ceil(deadline.leftMs() / 1000) * 1000);
    if (waitMs < 1000) throw late(session, deadline);
    try {
      const query = { wait: 'ready' as const, timeout: formatDuration(waitMs) };
      return await client.call('getSession', { params: { id: session.id }, query, waitMs, signal });
    } catch (error) {
      if (!isDevctlError(error, 'timeout')) throw error;
    }
  }
}

/** A session that cannot become ready, as the error that it died of. */
export function failureOf(session: Session): DevctlError {
  const { failure } = session;
  if (failure) return new DevctlError(failure.code, failure.detail, { hint: failure.hint, sessionId: session.id });
  return new DevctlError('lease_ended', `session ${session.id} is ${session.phase}${session.endReason ? ` (${session.endReason})` : ''}`, {
    sessionId: session.id,
  });
}

/**
 * The live session of a workspace: a new one, or the one that there is; one that is parked goes on. One that is going down is waited for first, so that
 * what comes back is its last state.
 */
export async function lease(
  client: Client,
  body: CreateSessionInput,
  deadline: Deadline,
  steps: Steps,
  signal?: AbortSignal,
): Promise<{ session: Session; isNew: boolean; isWoken?: boolean }> {
  for (;;) {
    try {
      return { session: await client.call('createSession', { body, signal }), isNew: true };
    } catch (error) {
      if (!isDevctlError(error, 'workspace_in_use') || error.extra.sessionId === undefined) throw error;
      const session = await client.call('getSession', { params: { id: error.extra.sessionId }, signal });
      if (session.desired === 'parked')
        return { session: await client.call('wakeSession', { params: { id: session.id }, signal }), isNew: false, isWoken: true };
      if (session.desired === 'ready' && !isFinal(session.phase)) return { session, isNew: false };
      steps.doing(() => `${session.id} is going down (${session.phase}): waiting until ${body.workspace} is saved`);
      await settled(client, session, deadline, signal);
      if (deadline.leftMs() === 0) throw late(session, deadline);
      await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
    }
  }
}

/** What the events say while a session comes up, on the live line. Ends when it is told to. */
async function narrate(client: Client, session: Session, steps: Steps, signal: AbortSignal): Promise<void> {
  let text = 'waiting for a box';
  const start = performance.now();
  steps.doing(() => `${text} · ${Math.round((performance.now() - start) / 1000)} s`);
  try {
    for await (const event of client.events(session.id, { signal })) text = plainText(event.message);
  } catch {
    // Only decoration: the wait itself tells what is wrong.
  }
}

/** Waits until the session is ready. @throws DevctlError of its failure, timeout */
export async function waitReady(
  client: Client,
  session: Session,
  deadline: Deadline,
  steps: Steps,
  options: { talks: boolean; signal?: AbortSignal },
): Promise<Session> {
  if (session.phase === 'ready') return session;
  const quiet = new AbortController();
  if (options.talks) void narrate(client, session, steps, quiet.signal);
  try {
    const ready = await settled(client, session, deadline, options.signal);
    if (ready.phase !== 'ready') throw failureOf(ready);
    return ready;
  } finally {
    quiet.abort();
  }
}
