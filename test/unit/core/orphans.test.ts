import { describe, expect, it } from 'vitest';
import { LIMITS } from '../../../launcher/core/limits.ts';
import { isUnknown, judge, type Records, type Resource } from '../../../launcher/core/orphans.ts';
import { newPoolBox } from '../../../launcher/core/pool.ts';
import { box, NOW, OTHER, ready, SES, session, snapshot, WS, workspace } from './samples.ts';

const OLD = NOW - LIMITS.orphanGraceMs;
const none: Records = { session: null, workspace: null, snapshot: null, poolBox: null };
const thing = (kind: Resource['kind'], id: string, patch: Partial<Resource> = {}): Resource => ({
  kind,
  id,
  tags: { sessionId: SES, generation: 1, workspaceId: WS },
  createdAtMs: OLD,
  ...patch,
});
const verdict = (resource: Resource, records: Partial<Records>) => judge(resource, { ...none, ...records }, NOW, LIMITS).verdict;

const saved = { id: 'vol_1', epoch: 2, savedEpoch: 2, keepUntil: NOW };

describe.each([
  ['box', 'box_1'],
  ['volume', 'vol_1'],
  ['snapshot', `${WS}/snap_1`],
] as const)('a %s that no record knows', (kind, id) => {
  it('is dropped when it is old, waits while it is young, and is kept when its tags cannot be read', () => {
    expect(verdict(thing(kind, id), {})).toBe('drop');
    expect(verdict(thing(kind, id, { createdAtMs: OLD + 1 }), {})).toBe('wait');
    expect(verdict(thing(kind, id, { createdAtMs: NOW + 1e9 }), {})).toBe('wait');
    expect(verdict(thing(kind, id, { tags: null }), {})).toBe('keep');
  });
});

describe('a box', () => {
  it.each([
    ['keep', ready()],
    ['keep', session({ phase: 'launching' })],
    ['drop', ready({ generation: 2 })],
    ['drop', ready({ box: box({ id: 'box_2' }) })],
    ['drop', session({ phase: 'stopped' })],
    ['drop', session({ phase: 'failed' })],
  ] as const)('is to %s by its session (%#)', (expected, found) => {
    expect(verdict(thing('box', 'box_1'), { session: found })).toBe(expected);
  });

  it('without a generation is older than every generation', () => {
    expect(verdict(thing('box', 'box_1', { tags: { sessionId: SES, generation: null, workspaceId: WS } }), { session: ready() })).toBe(
      'drop',
    );
  });
});

describe('a box of the pool', () => {
  const pooled = { tags: null, poolId: 'pool_00000000000000000000000001' };
  const record = (boxId: string | null) => ({
    ...newPoolBox(pooled.poolId, { size: 'small', arch: 'x86_64', image: 'ami-1' }, NOW, LIMITS),
    boxId,
  });

  it('is kept while it is recorded, and dropped, when it is old, if it is not or another one is in its place', () => {
    const resource = thing('box', 'box_1', pooled);
    expect(verdict(resource, { poolBox: record('box_1') })).toBe('keep');
    expect(verdict(resource, { poolBox: record(null) })).toBe('keep');
    expect(verdict(resource, { poolBox: record('box_2') })).toBe('drop');
    expect(verdict(resource, {})).toBe('drop');
    expect(verdict(thing('box', 'box_1', { ...pooled, createdAtMs: NOW }), {})).toBe('wait');
    expect(isUnknown(resource, none)).toBe(false);
  });
});

describe('a volume', () => {
  it.each([
    ['keep', 'is the live one and in use', workspace()],
    ['keep', 'has work that no snapshot has', workspace({ claim: null, volume: { ...saved, savedEpoch: 1 } })],
    ['keep', 'has its time yet', workspace({ claim: null, volume: { ...saved, keepUntil: NOW + 1 } })],
    ['keep', 'has no end of its time', workspace({ claim: null, volume: { ...saved, keepUntil: null } })],
    ['expire', 'is saved and had its time', workspace({ claim: null, volume: saved })],
    ['keep', 'may be of the launch under way', workspace({ volume: null })],
    ['drop', 'is not the one of its workspace', workspace({ volume: { ...saved, id: 'vol_9' } })],
    ['drop', 'is of a workspace without one', workspace({ claim: null, volume: null })],
    ['drop', 'is of a workspace that is being deleted', workspace({ deleting: true })],
    ['drop', 'is of an older workspace of that name', workspace({ id: 'ws_other' })],
  ] as const)('is to %s when it %s', (expected, _, found) => {
    expect(verdict(thing('volume', 'vol_1'), { workspace: found })).toBe(expected);
  });

  it('that a live session uses is kept, whatever its workspace says', () => {
    const other = workspace({ volume: { ...saved, id: 'vol_9' } });
    expect(verdict(thing('volume', 'vol_1'), { workspace: other, session: ready() })).toBe('keep');
    expect(verdict(thing('volume', 'vol_1'), { workspace: other, session: ready({ box: null }) })).toBe('drop');
    expect(verdict(thing('volume', 'vol_1'), { workspace: other, session: session({ phase: 'stopped', box: box() }) })).toBe('drop');
  });
});

describe('a snapshot', () => {
  it.each([
    ['keep', snapshot()],
    ['keep', snapshot({ state: 'pending' })],
    ['drop', snapshot({ state: 'error' })],
    ['drop', snapshot({ state: 'deleting' })],
    ['keep', snapshot({ state: 'error', pins: [OTHER] })],
  ] as const)('is to %s by its record (%#)', (expected, found) => {
    expect(verdict(thing('snapshot', `${WS}/snap_1`), { snapshot: found, workspace: workspace() })).toBe(expected);
  });

  it('that is the head is kept whatever its record says, unless the workspace is being deleted', () => {
    const head = { workspaceId: WS, id: 'snap_1' };
    const records = { snapshot: snapshot({ state: 'deleting' }), workspace: workspace({ head }) };
    expect(verdict(thing('snapshot', `${WS}/snap_1`), records)).toBe('keep');
    expect(verdict(thing('snapshot', `${WS}/snap_2`), records)).toBe('drop');
    expect(verdict(thing('snapshot', `${WS}/snap_1`), { ...records, workspace: workspace({ head, deleting: true }) })).toBe('drop');
  });
});

describe('what only a lost table explains', () => {
  const unknown = (resource: Resource, records: Partial<Records>) => isUnknown(resource, { ...none, ...records });

  it('has no record, or is newer than its record', () => {
    for (const [kind, id] of [
      ['box', 'box_1'],
      ['volume', 'vol_1'],
      ['snapshot', `${WS}/snap_1`],
    ] as const) {
      expect(unknown(thing(kind, id), {})).toBe(true);
      expect(unknown(thing(kind, id, { tags: null }), {})).toBe(false);
      expect(unknown(thing(kind, id), { session: ready(), workspace: workspace(), snapshot: snapshot() })).toBe(false);
    }
    const older = { sessionId: SES, workspaceId: WS, generation: null };
    expect(unknown(thing('box', 'box_1', { tags: older }), { session: ready() })).toBe(false);
    expect(unknown(thing('box', 'box_2'), { session: session({ generation: 0 }) })).toBe(true);
    expect(unknown(thing('volume', 'vol_2'), { workspace: workspace() })).toBe(true);
    expect(unknown(thing('volume', 'vol_2'), { workspace: workspace({ volume: null, quarantined: 'which one?' }) })).toBe(false);
    expect(unknown(thing('volume', 'vol_1'), { workspace: workspace({ id: `ws_${'0'.repeat(25)}7` }) })).toBe(true);
  });

  it('is kept of a damaged workspace until a person has decided', () => {
    const records = { workspace: workspace({ volume: null, claim: null, quarantined: 'two disks' }) };
    expect(verdict(thing('volume', 'vol_2'), records)).toBe('keep');
    expect(verdict(thing('volume', 'vol_2'), { workspace: workspace({ volume: null, claim: null }) })).toBe('drop');
  });
});
