import { isDevctlError } from '../../contract/errors.ts';
import { reap } from '../../controllers/reaper.ts';
import { interrupt } from '../../core/admission.ts';
import { changeSession } from '../../ledger/sessions.ts';
import type { ResourceTags } from '../../ports/compute.ts';
import type { SessionKey } from '../../ports/store.ts';
import type { LambdaSettings } from '../lambda-settings.ts';
import type { Surroundings } from './aws.ts';
import { lookAfter } from './look.ts';
import { type Occurrence, readOccurrence } from './occurrences.ts';
import type { LambdaParts } from './parts.ts';
import { END_MARGIN_MS, type LambdaContext } from './runtime.ts';

/** A look is handed on so often; then the cron begins another one. */
const HOPS = 20;
/** A notice that comes later than this is of a machine whose fate is to be seen by now. */
const LATE_NOTICE_MS = 600_000;

interface EventsOptions {
  parts: LambdaParts;
  settings: LambdaSettings;
  around: Pick<Surroundings, 'functions' | 'time'>;
}

/**
 * Does what requests have asked for and what AWS tells of. An event may come twice, late, or never: nothing depends on one but how
 * soon a session is looked at.
 * @throws what AWS or the table failed with: Lambda gives the event twice more, then puts it with the dead letters
 */
export async function handleEvent(options: EventsOptions, event: unknown, context: LambdaContext): Promise<void> {
  const { parts, settings } = options;
  const { telemetry, signals } = parts.controller;
  const startedAtMs = parts.controller.clock.now();
  const said = { op: 'lambda.event', requestId: context.awsRequestId };
  try {
    const occurrence = readOccurrence(event, { accountId: parts.accountId, region: settings.region });
    const told = await handle(options, occurrence, context);
    const durationMs = parts.controller.clock.now() - startedAtMs;
    telemetry.info({ ...said, outcome: 'ok', durationMs, ...occurrence, ...told });
  } catch (error) {
    if (isDevctlError(error, 'invalid_request')) {
      // It would not be understood the next time either.
      telemetry.count('devctl_unknown_events_total');
      telemetry.warn({ ...said, outcome: 'refused', detail: error.detail });
      return;
    }
    telemetry.count('devctl_function_errors_total');
    telemetry.error({ ...said, outcome: 'error', detail: String(error) });
    throw error;
  } finally {
    await signals.settle();
  }
}

async function handle(options: EventsOptions, occurrence: Occurrence, context: LambdaContext): Promise<object> {
  const { parts } = options;
  switch (occurrence.kind) {
    case 'look':
      return look(options, occurrence, context);
    case 'tick':
      return tick(parts, context);
    case 'interruption':
      return { sessionId: await interrupted(parts, occurrence) };
    case 'thing': {
      const key = await sessionOf(parts, await parts.whose[occurrence.thing](occurrence.id));
      if (key !== null) parts.controller.signals.poke(key);
      return { sessionId: key?.id ?? null };
    }
    case 'foreign':
      return {};
  }
}

async function look({ parts, settings, around }: EventsOptions, occurrence: Occurrence & { kind: 'look' }, context: LambdaContext) {
  const { owner, id, hops } = occurrence;
  const sleep = (ms: number) => new Promise<void>((resolve) => void around.time.after(ms, resolve));
  const endMs = endOf(parts, context);
  const ended = await lookAfter(parts, { key: { owner, id }, holder: context.awsRequestId, endMs, sleep });
  if (ended === 'unfinished' && hops < HOPS)
    await around.functions.invokeLater(settings.eventsFunction, { devctl: 'look', owner, id, hops: hops + 1 });
  return { ended };
}

const endOf = ({ controller }: LambdaParts, context: LambdaContext): number =>
  controller.clock.now() + Math.max(0, context.getRemainingTimeInMillis() - END_MARGIN_MS);

/** Once a minute: what is due is looked at, each in a run of its own; then the reaper and the keeper of the pool have their turn. */
async function tick(parts: LambdaParts, context: LambdaContext): Promise<object> {
  const { store, clock, limits, signals } = parts.controller;
  const due = await store.listDue(clock.now(), limits.dueBatch);
  for (const { owner, id } of due) signals.poke({ owner, id });
  const holder = context.awsRequestId;
  const untilMs = clock.now() + context.getRemainingTimeInMillis();
  // Whoever is not through by the next minute goes on alone. Two would do no harm: what they remove, they remove on conditions.
  if (!(await store.takeTurn('reap', { holder, untilMs }, { nowMs: clock.now(), fromOthers: false })))
    return { due: due.length, reaped: false };
  try {
    await Promise.all([guarded(parts, 'reap', () => reapOnce(parts)), guarded(parts, 'pool', () => parts.poolKeeper.tend())]);
  } finally {
    await store.endTurn('reap', holder);
  }
  return { due: due.length, reaped: true };
}

async function reapOnce({ controller }: LambdaParts): Promise<void> {
  const { items, complete } = await reap(controller, { dryRun: false });
  const orphans = items.filter(({ kind }) => kind === 'box' || kind === 'volume' || kind === 'snapshot').length;
  controller.telemetry.count('devctl_reaper_passes_total');
  if (orphans > 0) controller.telemetry.count('devctl_orphans_found_total', {}, orphans);
  controller.telemetry.gauge('devctl_reap_complete', complete ? 1 : 0);
}

/** One that fails is told of, and the next minute brings the next one. */
async function guarded({ controller }: LambdaParts, op: string, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    controller.telemetry.count('devctl_function_errors_total');
    controller.telemetry.error({ op, outcome: 'error', detail: String(error) });
  }
}

/** The session that a thing is of: of a volume the one that has its workspace now, for it outlives those that had it before. */
async function sessionOf({ controller }: LambdaParts, tags: ResourceTags | null): Promise<SessionKey | null> {
  if (tags === null) return null;
  const { owner } = tags;
  const workspace = await controller.store.getWorkspace(owner, tags.workspace);
  const id = workspace?.id === tags.workspaceId ? (workspace.claim?.sessionId ?? tags.sessionId) : tags.sessionId;
  return id === null || (await controller.store.getSession({ owner, id })) === null ? null : { owner, id };
}

/** Starts the rescue of the session whose box it is, once: as if the box itself had told. @returns the session that was looked for */
async function interrupted(parts: LambdaParts, { instanceId, endsAtMs }: Occurrence & { kind: 'interruption' }): Promise<string | null> {
  const { controller, whose } = parts;
  const tags = await whose.instance(instanceId);
  if (tags === null || tags.sessionId === null) return null;
  const key = { owner: tags.owner, id: tags.sessionId };
  const nowMs = controller.clock.now();
  try {
    if (endsAtMs > nowMs - LATE_NOTICE_MS)
      await changeSession(controller, key, (session) =>
        session.box?.id === instanceId ? interrupt(session, { endsAtMs, source: 'provider' }, nowMs) : null,
      );
  } catch (error) {
    // It is over, on its way to another box already, or not in use yet: what becomes of the box is seen by looking.
    if (!isDevctlError(error) || error.code === 'conflict') throw error;
  }
  controller.signals.poke(key);
  return key.id;
}
