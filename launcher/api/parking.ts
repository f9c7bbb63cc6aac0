import { DevctlError } from '../contract/errors.ts';
import { isFinal } from '../contract/phases.ts';
import type { SessionRecord } from '../contract/records.ts';
import { askToPark, askToWake } from '../core/admission.ts';
import { admission } from '../core/budget.ts';
import { admitToBudgets } from '../ledger/budgets.ts';
import { changeSession } from '../ledger/sessions.ts';
import type { Call, Reply } from './operation.ts';
import { keyOf, readSession } from './reads.ts';
import { isSettled, view } from './sessions.ts';
import { waitForSession } from './wait.ts';

function failureOf({ id, failure }: SessionRecord): DevctlError | null {
  return failure && new DevctlError(failure.code, failure.detail, { hint: failure.hint, sessionId: id });
}

export async function parkSession(call: Call<'parkSession'>): Promise<Reply<'parkSession'>> {
  const { deps, query, params, signal } = call;
  await readSession(call, params.id);
  const key = keyOf(call, params.id);
  const asked = await changeSession(deps, key, (session) => askToPark(session, deps.clock.now()));
  deps.signals.poke(key);
  if (query.wait === 'none') return { body: await view(deps, asked) };
  const options = { timeoutMs: query.timeout, signal, what: 'parked' };
  const session = await waitForSession(deps, key, options, (current) => {
    // Asked to go on meanwhile, or kept because it could not be stopped.
    const isKept = current.phase === 'ready' && current.desired === 'ready';
    const failure = isKept ? failureOf(current) : null;
    if (failure !== null) throw failure;
    return current.phase === 'parked' || isKept || isFinal(current.phase) ? current : undefined;
  });
  return { body: await view(deps, session) };
}

export async function wakeSession(call: Call<'wakeSession'>): Promise<Reply<'wakeSession'>> {
  const { deps, query, params, signal } = call;
  const known = await readSession(call, params.id);
  const key = keyOf(call, params.id);
  // A machine that is started costs what a new one does.
  const admitted = admission(`${known.id}.g${known.generation}`, known);
  if (known.desired === 'parked') await admitToBudgets(deps, deps.money, known.owner, admitted);
  const asked = await changeSession(deps, key, (session) => askToWake(session, deps.clock.now()));
  deps.signals.poke(key);
  if (query.wait === 'none') return { body: await view(deps, asked) };
  const options = { timeoutMs: query.timeout, signal, what: 'ready' };
  const session = await waitForSession(deps, key, options, (current) => {
    const failure = current.phase === 'ready' ? null : failureOf(current);
    if (failure !== null && isSettled(current)) throw failure;
    return isSettled(current) ? current : undefined;
  });
  return { body: await view(deps, session) };
}
