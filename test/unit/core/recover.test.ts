import { describe, expect, it } from 'vitest';
import { sessionRecordSchema, snapshotRecordSchema, workspaceRecordSchema } from '../../../launcher/contract/records.ts';
import { type Found, type KnownOf, recoveryOf } from '../../../launcher/core/recover.ts';
import { NOW, OTHER, SES, WS, workspace } from './samples.ts';

const tags = { owner: 'dev', workspace: 'shop', workspaceId: WS, sessionId: SES, generation: 3, operationId: 'op' };
const snap = (n: number, patch: Partial<Found> = {}): Found => ({
  kind: 'snapshot',
  id: `${WS}/snap_${n}`,
  tags,
  createdAtMs: NOW - n,
  bytes: 10 * n,
  state: 'completed',
  parent: n > 1 ? { workspaceId: WS, id: `snap_${n - 1}` } : null,
  ...patch,
});
const disk = (id = 'vol_1'): Found => ({ kind: 'volume', id, tags, createdAtMs: NOW, bytes: null });
const live = (patch: Partial<Found> = {}): Found => ({
  kind: 'box',
  id: 'box_1',
  tags,
  createdAtMs: NOW,
  bytes: null,
  volumeId: 'vol_1',
  size: 'large',
  ...patch,
});
const none: KnownOf = { workspace: null, sessions: new Set(), snapshots: new Set() };
const from = (things: Found[], known: Partial<KnownOf> = {}, isNewest = true) =>
  recoveryOf(things as [Found, ...Found[]], { ...none, ...known }, isNewest, NOW);

describe('a workspace without a record', () => {
  it('comes back with its newest whole snapshot as the head, and goes on with its numbers', () => {
    const { workspace: shop, snapshots, session, left } = from([snap(2), snap(10), snap(1), snap(11, { state: 'error' })]);
    expect(workspaceRecordSchema.parse(shop)).toMatchObject({
      owner: 'dev',
      name: 'shop',
      id: WS,
      content: 'present',
      head: { workspaceId: WS, id: 'snap_10' },
      headSeq: 10,
      snapshotSeq: 11,
      volume: null,
      claim: null,
      quarantined: null,
    });
    expect(snapshots.map((record) => snapshotRecordSchema.parse(record).seq)).toEqual([2, 10, 1, 11]);
    expect(snapshots.map(({ state, parent }) => [state, parent?.id])).toEqual([
      ['completed', 'snap_1'],
      ['completed', 'snap_9'],
      ['completed', undefined],
      ['error', 'snap_10'],
    ]);
    expect([session, left]).toEqual([null, []]);
    expect(from([{ ...snap(1), parent: undefined } as Found]).snapshots[0]?.parent).toBeNull();
  });

  it('keeps its disk as the truth: nothing of it counts as saved', () => {
    const { workspace: shop } = from([snap(1), disk()]);
    expect(shop?.volume).toEqual({ id: 'vol_1', epoch: 1, savedEpoch: 0, keepUntil: null });
    expect(from([disk()]).workspace).toMatchObject({ content: 'empty', head: null, volume: { id: 'vol_1' }, createdAt: 0 });
    const odd = { ...disk(), tags: { ...tags, workspaceId: 'ws_0123456789abcdef' } };
    expect(from([odd]).workspace?.createdAt).toBe(NOW);
  });

  it('comes back with the session of the one box that uses its disk', () => {
    const { workspace: shop, session, left } = from([snap(1), disk(), live()]);
    expect(sessionRecordSchema.parse(session)).toMatchObject({
      id: SES,
      phase: 'ready',
      generation: 3,
      size: 'large',
      desired: 'ready',
      box: { id: 'box_1', volumeId: 'vol_1', heartbeatAt: NOW },
      workspaceId: WS,
    });
    expect(shop?.claim).toEqual({ sessionId: SES, generation: 3 });
    expect(session).toMatchObject({ secrets: [], egress: null, awsCredentials: false });
    expect(session?.outbox).toMatchObject([
      { type: 'session.recovered', message: expect.stringMatching(/no secrets, no list of hosts \(--egress\) and no --aws: .*given anew/) },
    ]);
    expect(left).toEqual([]);
    const bare = { ...live({ tags: { ...tags, generation: null } }), size: undefined } as unknown as Found;
    expect(from([disk(), bare]).session).toMatchObject({ generation: 1, size: 'medium' });
  });

  it('comes back parked where its box is stopped and kept', () => {
    const { session } = from([disk(), live({ parked: true })]);
    expect(sessionRecordSchema.parse(session)).toMatchObject({ phase: 'parked', desired: 'parked', persistent: true });
  });

  it('goes on as its session asked for, as far as its box tells; an older box is taken for what it looks like', () => {
    const asked = { policy: 'on-demand', network: false, persistent: true } as const;
    const of = (patch: Partial<Found>) => {
      const { session } = from([disk(), live(patch)]);
      return [session?.policy, session?.network, session?.persistent, session?.phase];
    };
    expect(of({ wish: asked })).toEqual(['on-demand', false, true, 'ready']);
    expect(of({ wish: { policy: 'spot', network: true, persistent: false } })).toEqual(['spot', true, false, 'ready']);
    expect(of({ wish: { persistent: false }, parked: true })).toEqual(['on-demand', true, true, 'parked']);
    for (const wish of [{}, undefined]) {
      expect(of({ ...(wish && { wish }) })).toEqual(['spot-preferred', true, false, 'ready']);
      expect(of({ ...(wish && { wish }), parked: true })).toEqual(['on-demand', true, true, 'parked']);
    }
  });

  it('with several disks is quarantined, and nothing of it is guessed', () => {
    const { workspace: shop, session, left } = from([snap(1), disk(), disk('vol_2'), live()]);
    expect(shop).toMatchObject({ volume: null, claim: null, quarantined: expect.stringContaining('vol_1, vol_2') });
    expect(session).toBeNull();
    expect(left.map(({ kind, id }) => [kind, id])).toEqual([['box', 'box_1']]);
  });

  it.each([
    ['two boxes', [live(), live({ id: 'box_2', tags: { ...tags, sessionId: OTHER } })]],
    ['a box with another disk', [live({ volumeId: 'vol_9' })]],
    ['a box that says no session', [live({ tags: { ...tags, sessionId: null } })]],
  ])('leaves %s alone', (_, boxes) => {
    const { session, left, workspace: shop } = from([disk(), ...boxes]);
    expect([session, shop?.claim]).toEqual([null, null]);
    expect(left).toHaveLength(boxes.length);
  });

  it('is left while there is nothing whole of it', () => {
    const waiting = from([snap(1, { state: 'pending' }), live()]);
    expect([waiting.workspace, waiting.snapshots]).toEqual([null, []]);
    expect(waiting.left.map(({ reason }) => reason)).toEqual([
      expect.stringContaining('not complete yet'),
      expect.stringContaining('neither a disk nor a snapshot'),
    ]);
  });

  it('is left when another one has its name, or had it later', () => {
    const other = workspace({ id: `ws_${'0'.repeat(25)}9` });
    for (const result of [from([snap(1), disk()], { workspace: other }), from([snap(1), disk()], {}, false)]) {
      expect(result).toMatchObject({ workspace: null, session: null, snapshots: [] });
      expect(result.left).toHaveLength(2);
    }
  });
});

describe('a workspace that has its record', () => {
  const whole = workspace({ claim: { sessionId: SES, generation: 3 } });
  it('gets the records of its snapshots and its session that are missing, and is not touched itself', () => {
    const known = { workspace: whole, snapshots: new Set([`${WS}/snap_1`, `${WS}/snap_3`]) };
    const result = from([snap(1), snap(2), snap(3, { state: 'pending' }), disk(), live()], known);
    expect(result).toMatchObject({ workspace: null, session: { id: SES }, left: [] });
    expect(result.snapshots.map(({ id }) => id)).toEqual(['snap_2']);
  });

  it('has nothing to bring back when all is known', () => {
    const result = from([disk(), live()], { workspace: whole, sessions: new Set([SES]) });
    expect(result).toEqual({ workspace: null, session: null, snapshots: [], left: [] });
  });

  it.each([
    ['is not claimed', workspace({ claim: null })],
    ['is claimed by another session', workspace({ claim: { sessionId: OTHER, generation: 3 } })],
    ['is claimed in another generation', workspace({ claim: { sessionId: SES, generation: 4 } })],
  ])('leaves a box that is not known when it %s', (_, record) => {
    const { session, left } = from([disk(), live()], { workspace: record });
    expect([session, left.map(({ id }) => id)]).toEqual([null, ['box_1']]);
  });

  it('leaves another disk than its own for a person, unless it waits for one already', () => {
    expect(from([disk('vol_2')], { workspace: whole }).left.map(({ id }) => id)).toEqual(['vol_2']);
    expect(from([disk('vol_2')], { workspace: workspace({ volume: null }) }).left).toHaveLength(1);
    expect(from([disk('vol_2')], { workspace: workspace({ quarantined: 'several disks' }) }).left).toEqual([]);
  });
});
