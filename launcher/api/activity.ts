import type { EvidenceKind } from '../contract/evidence.ts';
import { touch, touchEveryMs } from '../core/admission.ts';
import { changeSession } from '../ledger/sessions.ts';
import type { BoxRef } from '../ports/compute.ts';
import type { UserCall } from './operation.ts';
import { keyOf, readSession } from './reads.ts';

export interface OpenBox {
  box: BoxRef;
  workspace: string;
  /** The lease ends by then, whatever goes on. */
  hardEndsAtMs: number;
  /** Says that something is still going on. Writes seldom, and never fails: the box is what tells when it is over. */
  alive(): void;
}

/**
 * The box of a ready session, with this use of it as evidence that the launcher saw itself. A use that comes at the very
 * moment of the end either renews the lease or is refused: both cannot win the same save.
 * @throws DevctlError not_found, wrong_phase, lease_ended
 */
export async function openBox(call: UserCall, sessionId: string, evidence: { kind: EvidenceKind; detail: string }): Promise<OpenBox> {
  const { deps } = call;
  await readSession(call, sessionId);
  const key = keyOf(call, sessionId);
  const detail = evidence.detail.slice(0, 200);
  const renew = () =>
    changeSession(deps, key, (session) =>
      touch(session, { kind: evidence.kind, atMs: deps.clock.now(), detail }, deps.clock.now(), deps.limits),
    );
  const session = await renew();
  const everyMs = touchEveryMs(session.lease);
  let nextMs = deps.clock.now() + everyMs;
  return {
    box: { boxId: session.box?.id ?? '', sessionId, generation: session.generation },
    workspace: session.workspace,
    hardEndsAtMs: session.lease.hardDeadlineMs,
    alive() {
      const nowMs = deps.clock.now();
      if (nowMs < nextMs) return;
      nextMs = nowMs + everyMs;
      renew().catch(() => undefined);
    },
  };
}
