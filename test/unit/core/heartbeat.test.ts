import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Heartbeat } from '../../../launcher/contract/box.ts';
import type { SessionRecord } from '../../../launcher/contract/records.ts';
import { applyHeartbeat, applyRegister, dueAfter, workspaceAfterHeartbeat } from '../../../launcher/core/heartbeat.ts';
import { leaseEndMs } from '../../../launcher/core/lease.ts';
import { LIMITS } from '../../../launcher/core/limits.ts';
import { applyChange } from '../../../launcher/core/session.ts';
import { box, lease, MINUTE_MS, NOW, op, ready, SES, session, workspace } from './samples.ts';

const register = { sessionId: SES, generation: 1, agentVersion: '1', bootId: 'b' };
const beat = (patch: Partial<Heartbeat> = {}): Heartbeat => ({
  sessionId: SES,
  generation: 1,
  state: 'ready',
  contentPresent: false,
  evidence: [],
  ...patch,
});
const git = { source: { kind: 'git' as const, url: 'https://example.org/x' } };
const booting = (patch: Partial<SessionRecord> = {}) =>
  session({ phase: 'bootstrapping', box: box({ registeredAt: null, heartbeatAt: null }), ...patch });
const preparing = (patch: Partial<SessionRecord> = {}) => session({ phase: 'bootstrapping', box: box(), ...patch });

describe('registering', () => {
  const apply = (record: SessionRecord, ws: ReturnType<typeof workspace> | null = workspace()) =>
    applyRegister(record, ws, register, NOW + 5, LIMITS);

  it('is ready at once when there is nothing to prepare', () => {
    const change = apply(booting());
    expect(change?.patch).toMatchObject({ phase: 'ready', readyAt: NOW + 5, launchAttempts: 0, failure: null });
    expect(change?.patch.box).toMatchObject({ registeredAt: NOW + 5, heartbeatAt: NOW + 5 });
    expect(change?.patch.lease).toMatchObject({ observedAtMs: NOW + 5, evidence: [{ kind: 'started' }] });
    expect(change?.events?.map(({ type }) => type)).toEqual(['session.registered', 'session.ready']);
    const saved = applyChange(booting(), change ?? { patch: {} }, NOW + 5);
    expect(saved.dueAt).toBeLessThanOrEqual(leaseEndMs(saved.lease));
  });

  it('keeps the time of the first readiness in a later generation', () => {
    expect(apply(booting({ readyAt: NOW - 99 }))?.patch.readyAt).toBe(NOW - 99);
  });

  it.each([
    ['a clone is wanted', booting(), workspace(git)],
    ['a setup script may run', booting(), workspace({ setupAllowed: true, content: 'present' })],
    ['it is to stop', booting({ desired: 'stopped' }), workspace()],
    ['its workspace is gone', booting(), null],
  ])('only notes that the box is up while %s', (_name, record, ws) => {
    const change = apply(record, ws);
    expect(change?.patch.phase).toBeUndefined();
    expect(change?.events?.map(({ type }) => type)).toEqual(['session.registered']);
  });

  it('changes nothing when it is known, out of turn, or of no box', () => {
    expect(apply(preparing())).toBeNull();
    expect(apply(ready())).toBeNull();
    expect(apply(booting({ box: null }))).toBeNull();
  });

  it('of another generation is refused', () => {
    expect(() => apply(booting({ generation: 2 }))).toThrow('generation 1 is over');
  });
});

describe('a heartbeat about the workspace', () => {
  it('says when it has files, or is damaged, once', () => {
    const damage = { failure: { code: 'workspace_quarantined' as const, detail: 'bad superblock' } };
    expect(workspaceAfterHeartbeat(workspace(), beat())).toBeNull();
    expect(workspaceAfterHeartbeat(workspace(), beat({ contentPresent: true }))).toMatchObject({ content: 'present', quarantined: null });
    expect(workspaceAfterHeartbeat(workspace({ content: 'present' }), beat({ contentPresent: true }))).toBeNull();
    expect(workspaceAfterHeartbeat(workspace(), beat(damage))).toMatchObject({ content: 'empty', quarantined: 'bad superblock' });
    expect(workspaceAfterHeartbeat(workspace({ quarantined: 'bad superblock' }), beat(damage))).toBeNull();
    expect(workspaceAfterHeartbeat(workspace(), beat({ failure: { code: 'setup_failed', detail: 'x' } }))).toBeNull();
  });
});

describe('a heartbeat while preparing', () => {
  const apply = (record: SessionRecord, heartbeat: Heartbeat, ws: ReturnType<typeof workspace> | null = workspace()) =>
    applyHeartbeat(record, ws, heartbeat, NOW + 1000, LIMITS);

  it('makes it ready when all is done, and not before the clone is in', () => {
    expect(apply(preparing(), beat())?.patch).toMatchObject({ phase: 'ready' });
    expect(apply(preparing(), beat(), workspace(git))).toBeNull();
    expect(apply(preparing(), beat(), workspace({ ...git, content: 'present' }))?.patch.phase).toBe('ready');
    expect(apply(preparing(), beat(), null)).toBeNull();
    expect(apply(preparing({ desired: 'stopped' }), beat())).toBeNull();
  });

  it('shows progress once for each line, as evidence too', () => {
    const change = apply(preparing(), beat({ state: 'preparing', progress: 'receiving 10 %' }), workspace(git));
    expect(change?.events).toEqual([{ type: 'source.progress', message: 'receiving 10 %' }]);
    expect(change?.patch.lease?.evidence).toMatchObject([{ kind: 'setup', detail: 'receiving 10 %' }]);
    const next = preparing({ lease: change?.patch.lease ?? preparing().lease });
    expect(apply(next, beat({ state: 'preparing', progress: 'receiving 10 %' }), workspace(git))).toBeNull();
    const setup = apply(next, beat({ state: 'preparing', progress: 'npm ci' }), workspace({ content: 'present' }));
    expect(setup?.events?.[0]?.type).toBe('setup.progress');
  });

  it('is written now and then with nothing new, so that the box does not count as silent', () => {
    const silent = preparing({ box: box({ heartbeatAt: NOW + 1000 - LIMITS.silentMs / 3 }) });
    expect(apply(silent, beat({ state: 'preparing' }))?.patch.box?.heartbeatAt).toBe(NOW + 1000);
    expect(
      apply(preparing({ box: box({ registeredAt: null, heartbeatAt: null }) }), beat({ state: 'preparing' }))?.patch.box,
    ).toMatchObject({
      registeredAt: NOW + 1000,
    });
  });

  it('is ready with a failed setup, and says so', () => {
    const change = apply(preparing(), beat({ failure: { code: 'setup_failed', detail: 'exit code 1' } }));
    expect(change?.patch).toMatchObject({ phase: 'ready', failure: { code: 'setup_failed', detail: 'exit code 1' } });
    expect(change?.events?.map(({ type }) => type)).toEqual(['setup.failed', 'session.ready']);
  });

  it.each([
    ['source_unavailable', 'source.failed'],
    ['workspace_quarantined', 'workspace.quarantined'],
    ['disk_full', 'box.disk_full'],
  ] as const)('gives up on %s: the box is to be let go', (code, type) => {
    const change = apply(preparing(), beat({ state: 'preparing', failure: { code, detail: 'x' } }));
    expect(change?.patch).toMatchObject({ failure: { code }, desired: 'stopped', endReason: 'failed', dueAt: NOW + 1000 });
    expect(change?.patch.phase).toBeUndefined();
    expect(change?.events?.[0]?.type).toBe(type);
  });
});

describe('a heartbeat while ready', () => {
  const apply = (record: SessionRecord, heartbeat: Heartbeat, atMs = NOW + 1000) =>
    applyHeartbeat(record, workspace(), heartbeat, atMs, LIMITS);
  const cpu = (agoMs = 0) => beat({ evidence: [{ kind: 'cpu', agoMs, detail: 'make' }] });

  it('is written when the idle deadline moves by more than a twentieth, or the last one is old', () => {
    expect(apply(ready(), beat())).toBeNull();
    const short = ready({ lease: lease({ idleTtlMs: 100_000, idleDeadlineMs: NOW + 100_000 }) });
    expect(apply(short, cpu(), NOW + 5000)).toBeNull();
    const moved = apply(short, cpu(), NOW + 5001);
    expect(moved?.patch.lease?.idleDeadlineMs).toBe(NOW + 105_001);
    expect(moved?.events).toBeUndefined();
    expect(apply(ready(), beat(), NOW + LIMITS.silentMs / 3)?.patch.box?.heartbeatAt).toBe(NOW + LIMITS.silentMs / 3);
  });

  it('tells of a failure once, and goes on', () => {
    const failure = { code: 'setup_failed' as const, detail: 'exit code 2' };
    const change = apply(ready(), beat({ failure }));
    expect(change).toMatchObject({ patch: { failure }, events: [{ type: 'setup.failed' }] });
    const after = ready({ failure: { ...failure, hint: '' } });
    expect(apply(after, beat({ failure }))).toBeNull();
    expect(apply(after, beat({ failure: { ...failure, detail: 'exit code 3' } }))?.patch.failure?.detail).toBe('exit code 3');
  });

  it('of a damaged disk ends it', () => {
    const change = apply(ready(), beat({ failure: { code: 'workspace_quarantined', detail: 'x' } }));
    expect(change?.patch).toMatchObject({ desired: 'stopped', endReason: 'failed' });
  });

  it('changes nothing once it is to stop, has no box, or is past use', () => {
    expect(apply(ready({ desired: 'stopped' }), cpu(), NOW + MINUTE_MS * 20)).toBeNull();
    expect(apply(ready({ box: null }), cpu())).toBeNull();
    for (const phase of ['requested', 'launching', 'rescuing', 'ending', 'saving', 'stopped', 'failed'] as const)
      expect(apply(session({ phase, box: box() }), cpu(), NOW + MINUTE_MS * 20), phase).toBeNull();
  });

  it('while quiescing only shows that the box is alive', () => {
    expect(apply(session({ phase: 'quiescing', box: box() }), cpu())).toBeNull();
    const change = apply(session({ phase: 'quiescing', box: box() }), cpu(), NOW + LIMITS.silentMs);
    expect(Object.keys(change?.patch ?? {})).toEqual(['box']);
  });

  it('of another generation is refused', () => {
    expect(() => apply(ready({ generation: 3 }), cpu())).toThrow('generation 1 is over');
  });

  it('never makes the idle deadline earlier, nor later than a box alone may', () => {
    const kinds = ['command', 'foreground', 'cpu', 'agent', 'setup'] as const;
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.constantFrom(...kinds), fc.nat(10_000_000), fc.nat(10_000_000)), { maxLength: 30 }), (beats) => {
        let record = ready();
        let nowMs = NOW;
        for (const [kind, agoMs, stepMs] of beats) {
          nowMs += stepMs;
          const change = applyHeartbeat(record, workspace(), beat({ evidence: [{ kind, agoMs, detail: '' }] }), nowMs, LIMITS);
          if (change === null) continue;
          const next = applyChange(record, change, nowMs);
          expect(next.lease.idleDeadlineMs).toBeGreaterThanOrEqual(record.lease.idleDeadlineMs);
          expect(next.lease.idleDeadlineMs).toBeLessThanOrEqual(NOW + LIMITS.selfReportedMaxMs + 30 * MINUTE_MS);
          expect(next.dueAt).toBeLessThanOrEqual(Math.max(leaseEndMs(next.lease), nowMs + LIMITS.readyLookMs));
          record = next;
        }
      }),
    );
  });
});

describe('the next look at a ready session', () => {
  it('is no later than its work under way wants', () => {
    const soon = NOW + 10;
    for (const busy of [
      { op: op('snapshot') },
      { snapshot: { id: 'snap_1', operationId: 'o', started: true } },
      { checkpoint: { operationId: 'o', note: null, reason: 'fork' as const } },
    ])
      expect(dueAfter(ready({ ...busy, dueAt: soon }), {}, NOW, LIMITS)).toBe(soon);
    expect(dueAfter(ready({ dueAt: soon }), {}, NOW, LIMITS)).toBeGreaterThan(soon);
    expect(dueAfter(ready({ op: op('snapshot'), dueAt: null }), {}, NOW, LIMITS)).toBeGreaterThan(soon);
  });
});
