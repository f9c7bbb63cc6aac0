import { describe, expect, it } from 'vitest';
import { sessionSchema, snapshotSchema, tokenSchema, whySchema, workspaceSchema } from '../../../launcher/contract/api.ts';
import type { SessionRecord } from '../../../launcher/contract/records.ts';
import { monthOf } from '../../../launcher/core/cost.ts';
import { LIMITS } from '../../../launcher/core/limits.ts';
import { sessionView, snapshotView, tokenView, whyView, workspaceView } from '../../../launcher/core/views.ts';
import { box, evidence, HOUR_MS, lease, MINUTE_MS, NOW, ready, SES, session, snapshot, WS, workspace } from './samples.ts';

const iso = (ms: number) => new Date(ms).toISOString();
const listening = (nowMs = NOW, sinceMs = 0) => ({ nowMs, sinceMs, limits: LIMITS });
const OTHER_WS = `ws_${'0'.repeat(25)}9`;

describe('the view of a session', () => {
  it('is what the contract says, with or without its workspace', () => {
    const holds = [{ name: 'build', untilMs: NOW + HOUR_MS, createdAt: NOW }];
    const record = ready({ lease: lease({ holds }), timings: { requested: NOW, ready: NOW + 290, early: NOW - 5 } });
    const head = { workspaceId: WS, id: 'snap_4' };
    const view = sessionView(record, workspace({ content: 'present', head }), 'local', listening());
    expect(sessionSchema.strict().parse(view)).toMatchObject({
      provider: 'local',
      content: 'present',
      head: 'snap_4',
      timings: { requested: 0, ready: 290, early: 0 },
      box: { launchedAt: iso(NOW), heartbeatAt: iso(NOW) },
      lease: { endsAt: iso(NOW + HOUR_MS), holds: [{ name: 'build', until: iso(NOW + HOUR_MS) }] },
      links: { self: `/sessions/${SES}`, events: `/sessions/${SES}/events`, workspace: '/workspaces/shop' },
    });
    expect(sessionSchema.parse(sessionView(session(), null, 'local', listening()))).toMatchObject({
      box: null,
      content: 'empty',
      head: null,
    });
    expect(sessionView(session(), workspace(), 'local', listening()).head).toBeNull();
  });

  it('has what it cost, where boxes cost something', () => {
    const price = { boxMicroUsdPerHour: 40_000, diskMicroUsdPerHour: 8_000, about: false };
    const paid = ready({ box: { ...box(), price }, spend: { months: {}, sinceMs: NOW, about: true } });
    expect(sessionView(paid, null, 'ec2', listening(NOW + HOUR_MS)).cost).toEqual({ usd: 0.048, perHourUsd: 0.048, about: true });
    expect(sessionView(ready(), null, 'local', listening(NOW + HOUR_MS)).cost).toBeNull();
  });

  it('has what it was told of the budgets of this month, not of an earlier one', () => {
    const told = (month: string) => ready({ budget: { month, level: 'near', told: ['owner.near'] } });
    const budgetOf = (record: SessionRecord) => sessionView(record, null, 'ec2', listening(NOW)).budget;
    expect([ready(), told(monthOf(NOW)), told('2020-01')].map(budgetOf)).toEqual([null, 'near', null]);
  });
});

describe('a silent box', () => {
  const silent = (record: SessionRecord, at: ReturnType<typeof listening>) => sessionView(record, null, 'local', at).box?.silent;
  const late = NOW + LIMITS.silentMs + 1;

  it('is one of a ready session whose heartbeats are overdue, also when it never sent one', () => {
    expect([silent(ready(), listening(NOW + LIMITS.silentMs)), silent(ready(), listening(late))]).toEqual([false, true]);
    const { box } = ready();
    expect(silent(ready({ box: box && { ...box, heartbeatAt: null } }), listening(late))).toBe(true);
    expect(silent(ready({ phase: 'quiescing' }), listening(late))).toBe(false);
    expect(whyView(ready(), listening(late)).silent).toBe(true);
  });

  it('is given its time by a launcher that has only just begun to listen', () => {
    expect(silent(ready(), listening(late, late - 1))).toBe(false);
  });
});

describe('the view of a workspace', () => {
  it('says where it came from, and whose snapshot its head is', () => {
    const borrowed = { workspaceId: OTHER_WS, id: 'snap_3' };
    const fork = { kind: 'fork' as const, workspace: 'origin', snapshot: borrowed };
    const view = workspaceSchema
      .strict()
      .parse(workspaceView(workspace({ source: fork, head: borrowed }), snapshot({ workspace: 'origin', bytes: 7 })));
    expect(view).toMatchObject({
      source: { kind: 'fork', from: 'origin@snap_3' },
      headOf: 'origin',
      headAt: iso(NOW),
      bytes: 7,
      unsaved: true,
    });
    expect(workspaceView(workspace({ source: fork, head: borrowed }), null)).toMatchObject({ headOf: 'origin', headAt: null, bytes: null });
    expect(workspaceView(workspace({ head: borrowed }), null).headOf).toBeNull();
    expect(workspaceView(workspace({ head: { workspaceId: WS, id: 'snap_1' } }), snapshot()).headOf).toBeNull();
    const url = 'https://example.org/x';
    expect(workspaceView(workspace({ source: { kind: 'git', url } }), null).source).toEqual({ kind: 'git', from: url });
    expect(workspaceView(workspace({ source: { kind: 'git', url, ref: 'main' } }), null).source.from).toBe(`${url}#main`);
    expect(workspaceView(workspace({ source: { kind: 'upload' }, claim: null }), null)).toMatchObject({
      source: { kind: 'upload', from: null },
      session: null,
    });
  });
});

describe('the view of a snapshot', () => {
  it('says whether it is the head', () => {
    const view = (head: { workspaceId: string; id: string } | null) =>
      snapshotSchema.strict().parse(snapshotView(snapshot(), workspace({ head })));
    expect(view({ workspaceId: WS, id: 'snap_1' }).isHead).toBe(true);
    expect(view({ workspaceId: OTHER_WS, id: 'snap_1' }).isHead).toBe(false);
    expect(view(null).isHead).toBe(false);
  });
});

describe('the view of a token', () => {
  it('has nothing of its secret', () => {
    const record = {
      owner: 'dev',
      id: `tok_${'0'.repeat(20)}`,
      name: 'ci',
      scopes: ['read' as const],
      secretHash: 'h',
      createdAt: NOW,
      expiresAt: NOW,
      revokedAt: null,
    };
    expect(tokenSchema.strict().parse(tokenView(record))).toMatchObject({ expiresAt: iso(NOW), revokedAt: null });
  });
});

describe('why', () => {
  const why = (record: Parameters<typeof whyView>[0], nowMs = NOW) => whySchema.parse(whyView(record, listening(nowMs)));

  it('shows what keeps it alive, newest first, and what no longer does', () => {
    const holds = [
      { name: 'old', untilMs: NOW - 1, createdAt: NOW },
      { name: 'new', untilMs: NOW + HOUR_MS, createdAt: NOW },
    ];
    const found = [evidence('api', NOW - HOUR_MS), evidence('cpu', NOW - MINUTE_MS)];
    const view = why(ready({ lease: lease({ evidence: found, holds }) }));
    expect(view.evidence.map(({ kind, seenBy, counts }) => [kind, seenBy, counts])).toEqual([
      ['cpu', 'box', true],
      ['api', 'launcher', false],
    ]);
    expect(view).toMatchObject({ because: 'hold new ends', holds: [{ name: 'new' }], endsAt: iso(NOW + HOUR_MS) });
    expect(view.selfReportedLimitAt).toBe(iso(NOW + LIMITS.selfReportedMaxMs + 30 * MINUTE_MS));
  });

  it('does not count a box that has only itself as a witness for too long', () => {
    const late = NOW + LIMITS.selfReportedMaxMs + HOUR_MS;
    const view = why(ready({ lease: lease({ evidence: [evidence('cpu', late)] }) }), late);
    expect(view.evidence).toMatchObject([{ kind: 'cpu', counts: false }]);
  });

  it('says why it is over', () => {
    const over = (endReason: string | null) => why(session({ phase: 'stopped', desired: 'stopped', endReason })).because;
    expect(['user', 'idle', 'hold', 'hard_limit', 'lost', 'failed', null].map(over)).toEqual([
      'its owner stopped it',
      'it was idle',
      'its hold was over',
      'it had reached its hard limit',
      'its box was lost',
      'it could not go on',
      'it is stopped',
    ]);
    const failed = session({ phase: 'failed', desired: 'stopped', failure: { code: 'no_capacity', detail: 'nothing left', hint: '' } });
    expect(why(failed)).toMatchObject({
      because: 'nothing left',
      endsAt: null,
      idleEndsAt: null,
      hardEndsAt: null,
      selfReportedLimitAt: null,
    });
    expect(why(session({ phase: 'failed', desired: 'stopped' })).because).toBe('it failed');
  });
});
