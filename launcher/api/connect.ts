import { DevctlError } from '../contract/errors.ts';
import { assertReady } from '../core/admission.ts';
import { openBox } from './activity.ts';
import type { Call, Reply } from './operation.ts';
import { readSession } from './reads.ts';

/**
 * Tells the owner of a session the way to its box, and what its agent asks of who comes. They go it with credentials of their own: without
 * those the key opens nothing, since the agent listens on the loopback of its machine alone.
 */
export async function connectBox(call: Call<'connectBox'>): Promise<Reply<'connectBox'>> {
  const { deps, params, body } = call;
  await readSession(call, params.id);
  const { machines } = deps;
  if (machines?.sessionManager === undefined)
    throw new DevctlError('unsupported', 'boxes of this launcher are reached through it alone', {
      hint: 'use devctl shell, exec and cp: they go through the launcher',
    });
  const { box, hardEndsAtMs } = body.purpose === 'logs' ? await lookAt(call) : await open(call);
  const { region, agentPort: port, document } = machines.sessionManager;
  const accessKey = machines.accessKey({ sessionId: box.sessionId, generation: box.generation });
  const expiresAt = new Date(hardEndsAtMs).toISOString();
  return { body: { way: 'session-manager', region, instanceId: box.boxId, document, port, accessKey, expiresAt } };
}

const open = (call: Call<'connectBox'>) =>
  openBox(call, call.params.id, {
    kind: 'connection',
    detail: call.body.purpose === 'command' ? 'terminal or command' : call.body.purpose,
  });

/** Reading is not reaching in (decision 12): nothing is renewed. */
async function lookAt(call: Call<'connectBox'>) {
  const session = await readSession(call, call.params.id);
  assertReady(session, call.deps.clock.now());
  const box = { boxId: session.box?.id ?? '', sessionId: session.id, generation: session.generation };
  return { box, hardEndsAtMs: session.lease.hardDeadlineMs };
}
