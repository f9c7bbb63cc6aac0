import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { POLICIES, SIZES, type Size } from '../../../launcher/contract/fields.ts';
import type { ResourceTags } from '../../../launcher/ports/compute.ts';
import { readRef, readSize, readTags, readWish, refText, TAGS, tagList, tagOf } from '../../../launcher/providers/ec2/tags.ts';
import { OTHER, SES, WS } from '../core/samples.ts';

const tags: ResourceTags = {
  owner: 'dev',
  workspace: 'shop',
  workspaceId: WS,
  sessionId: SES,
  generation: 3,
  operationId: `${SES}.g3.launch`,
};
const list = (patch: Partial<ResourceTags> = {}) => tagList({ ...tags, ...patch }, { deployment: 'test', ttl: '24h' });
const without = (key: string) => list().filter(({ Key }) => Key !== key);
const changed = (key: string, Value: string) => list().map((tag) => (tag.Key === key ? { ...tag, Value } : tag));
const named = (name: string) => fc.stringMatching(/^[a-z0-9][a-z0-9-]{0,30}[a-z0-9]$/).map((text) => `${name}${text}`);

describe('tags', () => {
  it('that are written are read again, whoever it is', () => {
    const whose = fc.record({
      owner: named('o'),
      workspace: named('w'),
      workspaceId: fc.constant(WS),
      sessionId: fc.constantFrom(SES, OTHER, null),
      generation: fc.option(fc.integer({ min: 1, max: 1e6 })),
      operationId: fc.string({ minLength: 1, maxLength: 256 }),
    });
    fc.assert(
      fc.property(whose, named('d'), named('e'), (wanted, deployment, other) => {
        const written = tagList(wanted, { deployment, ttl: 'keep' });
        expect(readTags(written, deployment)).toEqual(wanted);
        if (other !== deployment) expect(readTags(written, other)).toBeNull();
      }),
    );
  });

  it('have what sweeps of the account go by, and the owner also as a hash of this installation', () => {
    expect(['env', 'owner', 'ttl'].map((key) => tagOf(list(), key))).toEqual(['dev', 'ai', '24h']);
    const hash = tagOf(list(), TAGS.ownerHash);
    expect(hash).toMatch(/^[0-9a-f]{16}$/);
    expect(tagOf(tagList(tags, { deployment: 'other', ttl: '1h' }), TAGS.ownerHash)).not.toBe(hash);
  });

  it.each(
    Object.entries(TAGS).filter(([name]) => ['deployment', 'owner', 'ownerHash', 'workspace', 'workspaceId', 'operation'].includes(name)),
  )('without its %s belong to nobody', (_, key) => expect(readTags(without(key), 'test')).toBeNull());

  it.each([
    [TAGS.owner, 'eve'],
    [TAGS.ownerHash, '0000000000000000'],
    [TAGS.workspaceId, 'ws_x'],
    [TAGS.session, 'ses'],
    [TAGS.generation, 'x'],
    [TAGS.generation, '0'],
    [TAGS.generation, '1.5'],
    [TAGS.deployment, 'other'],
  ])('with %s changed to %s belong to nobody', (key, value) => expect(readTags(changed(key, value), 'test')).toBeNull());

  it('of no session have none; of nothing are none', () => {
    const bare = list({ sessionId: null, generation: null });
    expect(bare.map(({ Key }) => Key)).not.toContain(TAGS.session);
    expect(readTags(bare, 'test')).toMatchObject({ sessionId: null, generation: null });
    for (const none of [undefined, []]) expect(readTags(none, 'test')).toBeNull();
  });

  it('that are longer than AWS takes are refused before the call', () => {
    expect(() => list({ operationId: 'x'.repeat(257) })).toThrow(/tag devctl:operation has 257 characters, AWS takes 256/);
  });

  it('of a snapshot name it and the one before it', () => {
    const [ref, parent] = [
      { workspaceId: WS, id: 'snap_12' },
      { workspaceId: WS, id: 'snap_11' },
    ];
    const written = tagList(tags, { deployment: 'test', ttl: 'keep', ref, parent });
    expect([readRef(written), readRef(written, TAGS.parent), refText(ref)]).toEqual([ref, parent, `${WS}/snap_12`]);
    expect(readRef(tagList(tags, { deployment: 'test', ttl: 'keep', ref, parent: null }), TAGS.parent)).toBeNull();
    for (const Value of ['', 'x', `${WS}/`, `${WS}/snap_x`, `/snap_1`, `${WS}/snap_1x`])
      expect(readRef([{ Key: TAGS.snapshot, Value }])).toBeNull();
  });

  it('of a box tell what its session asked for', () => {
    for (const policy of POLICIES)
      for (const size of Object.keys(SIZES) as Size[])
        for (const [network, persistent] of [
          [true, false],
          [false, true],
        ] as const) {
          const written = tagList(tags, { deployment: 'test', ttl: '24h', wish: { size, policy, network, persistent } });
          expect([readSize(written), readWish(written)]).toEqual([size, { policy, network, persistent }]);
        }
  });

  it('of a box of before, or that somebody changed, tell of it what they have', () => {
    expect([readSize(list()), readWish(list()), readWish(undefined)]).toEqual([null, {}, {}]);
    const odd = [
      { Key: TAGS.policy, Value: 'cheap' },
      { Key: TAGS.network, Value: 'TRUE' },
      { Key: TAGS.persistent, Value: 'toString' },
      { Key: TAGS.size, Value: 'huge' },
    ];
    expect([readSize(odd), readWish(odd)]).toEqual([null, {}]);
    expect(readWish([...odd.slice(0, 2), { Key: TAGS.persistent, Value: 'true' }])).toEqual({ persistent: true });
  });
});
