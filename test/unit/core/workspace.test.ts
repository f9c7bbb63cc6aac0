import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { SnapshotRecord } from '../../../launcher/contract/records.ts';
import {
  afterHeadMove,
  claimFor,
  expiredSnapshots,
  isUnsaved,
  newWorkspace,
  originOfCopy,
  releaseFor,
  savedCopyOf,
  settledFork,
  withSource,
} from '../../../launcher/core/workspace.ts';
import { HOUR_MS, NOW, OTHER, SES, snapshot, WS, workspace } from './samples.ts';

const volume = (patch = {}) => ({ id: 'vol_1', epoch: 3, savedEpoch: 3, keepUntil: NOW, ...patch });

describe('a new workspace', () => {
  it('is empty, or begins from the snapshot that it is a fork of', () => {
    expect(newWorkspace({ owner: 'dev', name: 'a', id: WS, source: { kind: 'empty' } }, NOW)).toMatchObject({
      content: 'empty',
      head: null,
    });
    const from = { workspaceId: WS, id: 'snap_4' };
    const fork = newWorkspace({ owner: 'dev', name: 'b', id: WS, source: { kind: 'fork', workspace: 'a', snapshot: from } }, NOW);
    expect(fork).toMatchObject({ content: 'present', head: from, headSeq: 0, volume: null });
  });
});

describe('a fork that was given a copy of the disk', () => {
  const from = { workspaceId: OTHER.replace('ses', 'ws'), id: 'snap_4' };
  const source = { kind: 'fork' as const, workspace: 'a', snapshot: from };
  const copy = { workspaceId: WS, workspace: 'b', volumeId: 'vol_7', volumeGiB: 60 };
  const fork = newWorkspace({ owner: 'dev', name: 'b', id: WS, source }, NOW, copy);

  it('has that as its only truth until the snapshot is complete, and then the snapshot as its head', () => {
    expect(fork).toMatchObject({ content: 'present', head: null, volume: { id: 'vol_7', epoch: 1, savedEpoch: 0, gib: 60 } });
    expect(isUnsaved(fork)).toBe(true);
    expect(originOfCopy(fork)).toEqual(from);
    const settled = settledFork(fork, NOW + 9);
    expect(settled).toMatchObject({ head: from, headSeq: 0, volume: { epoch: 1, savedEpoch: 1, keepUntil: NOW + 9 } });
    expect(settled && originOfCopy(settled)).toBeNull();
    expect(settled && settledFork(settled, NOW)).toBeNull();
  });

  it('that is in use begins elsewhere from the snapshot only while nothing was written to the copy', () => {
    const claimed = claimFor(fork, SES, 1) as typeof fork;
    const settled = settledFork(claimed, NOW + 9) as typeof fork;
    expect(settled.volume).toMatchObject({ epoch: 2, savedEpoch: 1, keepUntil: null });
    expect(savedCopyOf(settled)).toEqual(from);
    const later = settledFork(claimFor(claimed, SES, 2) as typeof fork, NOW + 9) as typeof fork;
    expect(later.head).toEqual(from);
    expect(savedCopyOf(later)).toBeNull();
  });

  it('is no other workspace', () => {
    expect(originOfCopy({ ...fork, deleting: true })).toBeNull();
    expect(originOfCopy({ ...fork, volume: null })).toBeNull();
    expect(originOfCopy({ ...fork, source: { kind: 'empty' } })).toBeNull();
    expect(newWorkspace({ owner: 'dev', name: 'b', id: WS, source }, NOW, { ...copy, volumeGiB: undefined }).volume).not.toHaveProperty(
      'gib',
    );
  });
});

describe('a claim', () => {
  it('is taken once, raises the epoch of the volume, and stops its expiry', () => {
    const free = workspace({ claim: null, volume: volume() });
    const claimed = claimFor(free, SES, 1);
    expect(claimed).toMatchObject({ claim: { sessionId: SES, generation: 1 }, volume: { epoch: 4, savedEpoch: 3, keepUntil: null } });
    expect(claimed && isUnsaved(claimed)).toBe(true);
    expect(claimed && claimFor(claimed, SES, 1)).toBeNull();
    expect(claimed && claimFor(claimed, SES, 2)).toMatchObject({ claim: { generation: 2 }, volume: { epoch: 5 } });
    expect(claimFor({ ...free, volume: null }, SES, 1)?.volume).toBeNull();
  });

  it.each([
    ['workspace_in_use', workspace({ claim: { sessionId: OTHER, generation: 1 } })],
    ['stale_generation', workspace({ claim: { sessionId: SES, generation: 2 } })],
    ['not_found', workspace({ claim: null, deleting: true })],
    ['workspace_quarantined', workspace({ claim: null, quarantined: 'bad blocks' })],
  ])('is refused with %s', (code, found) => {
    expect(() => claimFor(found, SES, 1)).toThrow(expect.objectContaining({ code }));
  });

  it('is given back by the one who has it, and the volume is kept for its time', () => {
    expect(releaseFor(workspace(), SES, NOW + 5)).toMatchObject({ claim: null, volume: { keepUntil: NOW + 5 } });
    expect(releaseFor(workspace({ volume: null }), SES, NOW + 5)).toMatchObject({ claim: null, volume: null });
    expect(releaseFor(workspace(), OTHER, NOW + 5)).toBeNull();
    expect(releaseFor(workspace({ claim: null }), SES, NOW + 5)).toBeNull();
  });
});

describe('a claim whose launch made no box', () => {
  const refused = (patch: object) => releaseFor(workspace({ volume: volume(patch) }), SES, NOW, true);

  it('leaves a volume saved that was saved before it', () => {
    const head = { workspaceId: WS, id: 'snap_1' };
    const claimed = claimFor(workspace({ claim: null, head, volume: volume() }), SES, 1);
    expect(claimed && isUnsaved(claimed)).toBe(true);
    const after = claimed && releaseFor(claimed, SES, NOW, true);
    expect(after).toMatchObject({ claim: null, volume: { epoch: 4, savedEpoch: 4 } });
    expect(after && isUnsaved(after)).toBe(false);
  });

  it('makes nothing saved that was not: never covered, written to by a generation before, or gone', () => {
    expect(refused({ epoch: 1, savedEpoch: 0 })?.volume).toMatchObject({ savedEpoch: 0 });
    expect(refused({ epoch: 5, savedEpoch: 3 })?.volume).toMatchObject({ savedEpoch: 3 });
    expect(releaseFor(workspace({ volume: null }), SES, NOW, true)?.volume).toBeNull();
  });
});

describe('the head', () => {
  it('moves only forward, and what is saved never becomes unsaved', () => {
    const moves = fc.array(fc.record({ seq: fc.integer({ min: 1, max: 9 }), epoch: fc.integer({ min: 1, max: 9 }), down: fc.boolean() }), {
      maxLength: 12,
    });
    fc.assert(
      fc.property(moves, (steps) => {
        let found = workspace({ volume: volume({ epoch: 9, savedEpoch: 0 }) });
        for (const { seq, epoch, down } of steps) {
          const taken = snapshot({ id: `snap_${seq}`, seq, volumeEpoch: epoch, reason: down ? 'down' : 'checkpoint' });
          const next = afterHeadMove(found, taken) ?? found;
          expect(next.headSeq).toBe(Math.max(found.headSeq, seq));
          expect(next.volume?.savedEpoch).toBe(down ? Math.max(found.volume?.savedEpoch ?? 0, epoch) : found.volume?.savedEpoch);
          if (next.headSeq > found.headSeq) expect(next.head?.id).toBe(taken.id);
          else expect(next.head).toEqual(found.head);
          found = next;
        }
      }),
    );
  });

  it('does not cover a volume of another id, nor one that is gone; an older checkpoint changes nothing', () => {
    expect(afterHeadMove(workspace(), snapshot({ volumeId: 'vol_9' }))?.volume?.savedEpoch).toBe(0);
    expect(afterHeadMove(workspace({ volume: null }), snapshot())?.volume).toBeNull();
    expect(afterHeadMove(workspace({ headSeq: 5 }), snapshot({ reason: 'checkpoint' }))).toBeNull();
    expect(afterHeadMove(workspace({ headSeq: 5 }), snapshot())).toMatchObject({ headSeq: 5, volume: { savedEpoch: 1 } });
    expect(isUnsaved(workspace({ volume: null }))).toBe(false);
  });

  it.each(['pending', 'error', 'deleting'] as const)('is never a snapshot that is %s', (state) => {
    expect(() => afterHeadMove(workspace(), snapshot({ state }))).toThrow(state);
  });
});

describe('retention', () => {
  const many = fc.uniqueArray(
    fc.record({
      seq: fc.integer({ min: 1, max: 40 }),
      hours: fc.integer({ min: 0, max: 400 }),
      state: fc.constantFrom<SnapshotRecord['state']>('completed', 'completed', 'completed', 'pending', 'error', 'deleting'),
      pinned: fc.boolean(),
    }),
    { selector: ({ seq }) => seq, maxLength: 30 },
  );

  it('never lets go of the head, of what is pinned, pending or not complete, nor of the newest ones', () => {
    fc.assert(
      fc.property(many, fc.integer({ min: 1, max: 5 }), fc.integer({ min: 0, max: 5 }), fc.nat(40), (found, keepLast, keepDaily, head) => {
        const all = found.map(({ seq, hours, state, pinned }) =>
          snapshot({ id: `snap_${seq}`, seq, state, createdAt: NOW + hours * HOUR_MS, pins: pinned ? [WS] : [] }),
        );
        const gone = expiredSnapshots(all, `snap_${head}`, { keepLast, keepDaily });
        for (const { id, pins, state } of gone) {
          expect(id).not.toBe(`snap_${head}`);
          expect(pins).toEqual([]);
          expect(state).toBe('completed');
        }
        const kept = all.filter((item) => item.state === 'completed' && !gone.includes(item));
        const completed = all.filter(({ state }) => state === 'completed');
        expect(kept.length).toBeGreaterThanOrEqual(Math.min(keepLast, completed.length));
        const newest = [...completed].sort((a, b) => b.seq - a.seq).slice(0, keepLast);
        for (const item of newest) expect(gone).not.toContain(item);
        expect(
          expiredSnapshots([...all].reverse(), `snap_${head}`, { keepLast, keepDaily })
            .map(({ id }) => id)
            .sort(),
        ).toEqual(gone.map(({ id }) => id).sort());
      }),
    );
  });

  it('keeps the newest of each of the last days that have one', () => {
    const at = (seq: number, hours: number) => snapshot({ id: `snap_${seq}`, seq, createdAt: Date.UTC(2026, 0, 10) + hours * HOUR_MS });
    const all = [at(1, 1), at(2, 2), at(3, 25), at(4, 26), at(5, 50)];
    expect(expiredSnapshots(all, null, { keepLast: 1, keepDaily: 2 }).map(({ id }) => id)).toEqual(['snap_3', 'snap_2', 'snap_1']);
    expect(expiredSnapshots(all, null, { keepLast: 1, keepDaily: 9 }).map(({ id }) => id)).toEqual(['snap_3', 'snap_1']);
  });
});

describe('another source', () => {
  const git = (url: string) => ({ kind: 'git' as const, url });

  it('is taken while nothing has come in, and only when it is another one', () => {
    const empty = workspace({ content: 'empty', head: null, source: git('https://a.example/x') });
    expect(withSource(empty, git('https://b.example/x'))).toMatchObject({ source: git('https://b.example/x') });
    expect(withSource(empty, git('https://a.example/x'))).toBeNull();
    expect(withSource({ ...empty, content: 'present' }, git('https://b.example/x'))).toBeNull();
    expect(withSource({ ...empty, head: { workspaceId: WS, id: 'snap_1' } }, git('https://b.example/x'))).toBeNull();
  });
});
