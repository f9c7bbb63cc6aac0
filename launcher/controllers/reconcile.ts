import { isFinal } from '../contract/phases.ts';
import type { BoxRecord, SessionRecord } from '../contract/records.ts';
import { decide } from '../core/decide.ts';
import type { Observed, Step } from '../core/steps.ts';
import { commitSession } from '../ledger/sessions.ts';
import type { SessionKey } from '../ports/store.ts';
import { pokeBox, withDeadline } from './deadline.ts';
import type { ControllerDeps } from './deps.ts';
import { boxTokenHash } from './deps.ts';
import { perform } from './perform.ts';

/**
 * Brings one session as far as it can go now: load, observe, decide, apply one action, save, and again.
 * @returns when to look again (milliseconds since the epoch), or null when the session is over
 */
export async function reconcile(deps: ControllerDeps, key: SessionKey): Promise<number | null> {
  let saved: SessionRecord | null = null;
  for (let steps = 0; steps < deps.limits.stepsPerReconcile; steps += 1) {
    // What was just saved is the newest there is: if it is not, the next save fails, and then it is read again.
    const session: SessionRecord | null = saved ?? (await deps.store.getSession(key));
    if (session === null || isFinal(session.phase)) return null;
    const workspace = await deps.store.getWorkspace(session.owner, session.workspace);
    const observed = await observe(deps, session);
    const step = decide(session, workspace, observed, deps.clock.now(), deps.limits);
    if (step.do === 'wait') return rest(deps, session, step.untilMs);
    saved = await act(deps, session, step);
  }
  return deps.clock.now() + deps.limits.pollMs;
}

/**
 * Waits. A due time that has passed is moved on, so that the due index holds only what is really due. The worker keeps the time
 * itself: the index is for those who come after it, and a due time that is a little late for them is not worth a write.
 */
async function rest(deps: ControllerDeps, session: SessionRecord, untilMs: number): Promise<number> {
  const nowMs = deps.clock.now();
  if (session.dueAt === null || session.dueAt <= nowMs || session.dueAt > untilMs + deps.limits.dueSlackMs) {
    const dueAt = Math.max(untilMs, nowMs + deps.limits.pollMs);
    if (session.dueAt !== dueAt) await commitSession(deps, session, { patch: { dueAt } });
  }
  return untilMs;
}

async function observe(deps: ControllerDeps, session: SessionRecord): Promise<Observed> {
  const [box, snapshot] = await Promise.all([
    session.box === null ? null : observeBox(deps, session, session.box),
    session.snapshot === null ? null : deps.store.getSnapshot(session.owner, { workspaceId: session.workspaceId, id: session.snapshot.id }),
  ]);
  return { box, snapshot };
}

async function observeBox(deps: ControllerDeps, session: SessionRecord, box: BoxRecord): Promise<Observed['box']> {
  try {
    return await withDeadline(
      deps.limits.lookMs,
      deps.compute.observe({ boxId: box.id, sessionId: session.id, generation: session.generation, launchedAtMs: box.launchedAt }),
    );
  } catch (error) {
    deps.telemetry.warn({ op: 'compute.observe', outcome: 'error', sessionId: session.id, detail: String(error) });
    return 'unknown';
  }
}

/** @returns the session as it was saved; null when it is to be read again */
async function act(deps: ControllerDeps, session: SessionRecord, step: Exclude<Step, { do: 'wait' }>): Promise<SessionRecord | null> {
  const startedAt = deps.clock.now();
  let saved: SessionRecord | null;
  if (step.do === 'change') {
    const op = step.change.patch.op;
    if (op?.kind === 'launch' && op.tokenHash === undefined) {
      const next = { ...session, generation: step.change.patch.generation ?? session.generation };
      step.change.patch.op = { ...op, tokenHash: boxTokenHash(deps, next) };
    }
    saved = await commitSession(deps, session, step.change);
    if (saved?.box && saved.phase === 'ready')
      await pokeBox(deps, { boxId: saved.box.id, sessionId: saved.id, generation: saved.generation });
  } else {
    saved = await perform(deps, session, step);
  }
  deps.telemetry.info({
    op: `reconcile.${step.do}`,
    outcome: 'ok',
    sessionId: session.id,
    owner: session.owner,
    workspace: session.workspace,
    phase: session.phase,
    durationMs: deps.clock.now() - startedAt,
  });
  return saved;
}
