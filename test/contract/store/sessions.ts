import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { isDevctlError } from '../../../launcher/contract/errors.ts';
import { PHASE_NAMES } from '../../../launcher/contract/phases.ts';
import { RecordTooLargeError, UnreadableRecordError } from '../../../launcher/ports/store.ts';
import { allPages, type StoreBench } from './bench.ts';
import { anEvent, aSession, asStored, sessionId, T0 } from './fixtures.ts';

const FAR = T0 + 1_000_000;

/** Text that does not shrink, the same each time. */
function noise(chars: number): string {
  let text = '';
  for (let block = 0; text.length < chars; block += 1) text += createHash('sha512').update(String(block)).digest('base64');
  return text.slice(0, chars);
}

export function sessionCases(bench: () => StoreBench): void {
  describe('sessions', () => {
    it('gives back what was put, to the last field', async () => {
      const { store } = bench();
      const session = aSession('dev', 1);
      expect(await store.createSession(session)).toBe(true);
      expect(await store.getSession(session)).toEqual(asStored(session));
      expect(await store.getSession({ owner: 'dev', id: sessionId(2) })).toBeNull();
    });

    it('refuses a second session with the id of the first', async () => {
      const { store } = bench();
      await store.createSession(aSession('dev', 1));
      expect(await store.createSession(aSession('dev', 1, { workspace: 'other' }))).toBe(false);
      expect((await store.getSession(aSession('dev', 1)))?.workspace).toBe('shop');
    });

    it('saves with the next version, and only over the version that was read', async () => {
      const { store } = bench();
      const session = aSession('dev', 1);
      await store.createSession(session);
      const saved = await store.saveSession({ ...session, phase: 'quiescing' });
      expect(saved).toEqual({ ...session, phase: 'quiescing', version: 2 });
      expect(await store.getSession(session)).toEqual(asStored(saved));
      expect(await store.saveSession({ ...session, phase: 'failed' })).toBeNull();
      expect(await store.getSession(session)).toEqual(asStored(saved));
    });

    it('does not save or bring back a session that is gone', async () => {
      const { store } = bench();
      const session = aSession('dev', 1);
      expect(await store.saveSession(session)).toBeNull();
      await store.createSession(session);
      expect(await store.deleteSession({ ...session, version: 7 })).toBe(false);
      expect(await store.deleteSession(session)).toBe(true);
      expect(await store.deleteSession(session)).toBe(false);
      expect(await store.saveSession(session)).toBeNull();
      expect(await store.getSession(session)).toBeNull();
      expect(await store.listDue(FAR, 10)).toEqual([]);
    });

    it('lets one of 100 writers of the same version win, and none of its losers change anything', async () => {
      const { store, another } = bench();
      const session = aSession('dev', 1);
      await store.createSession(session);
      const stores = [store, another(), another()];
      const outcomes = await Promise.all(
        Array.from({ length: 100 }, (_, i) => (stores[i % 3] ?? store).saveSession({ ...session, endReason: `writer ${i}` })),
      );
      const winners = outcomes.filter((outcome) => outcome !== null);
      expect(winners).toHaveLength(1);
      expect(await store.getSession(session)).toEqual(asStored(winners[0]));
    });

    it('loses no increment among 20 writers that read again after each defeat', async () => {
      const { store } = bench();
      const session = aSession('dev', 1, { rescues: 0 });
      await store.createSession(session);
      const increment = async (): Promise<void> => {
        const read = await store.getSession(session);
        if (read && (await store.saveSession({ ...read, rescues: read.rescues + 1 }))) return;
        return increment();
      };
      await Promise.all(Array.from({ length: 20 }, increment));
      expect(await store.getSession(session)).toMatchObject({ rescues: 20, version: 21 });
    });

    it('keeps fields that this version does not know, at every depth, when it writes a record back', async () => {
      const { store } = bench();
      const future = {
        ...aSession('dev', 1),
        pricing: { spot: true },
        lease: { ...aSession('dev', 1).lease, evidence: [{ kind: 'cpu' as const, atMs: T0, detail: 'x', weight: 3 }] },
      };
      await store.createSession(future);
      const read = await store.getSession(future);
      await store.saveSession({ ...(read as typeof future), phase: 'quiescing' });
      expect(await store.getSession(future)).toEqual(asStored({ ...future, phase: 'quiescing', version: 2 }));
    });

    it('takes a report of the largest size that the contract allows, and says so of one that fits nowhere', async () => {
      const { store } = bench();
      const repositories = Array.from({ length: 200 }, (_, i) => ({
        path: `src/${`directory-${i}/`.repeat(300)}`.slice(0, 4096),
        branch: 'main',
        dirtyFiles: i,
        unpushedCommits: 0,
        hasRemote: true,
      }));
      const report = {
        stoppedProcesses: [],
        killedProcesses: [],
        repositories,
        files: 1,
        bytes: 1,
        canary: null,
        truncated: true,
        tookMs: 1,
      };
      const session = aSession('dev', 1, { report });
      await store.createSession(session);
      expect(await store.getSession(session)).toEqual(asStored(session));
      const huge = aSession('dev', 2, { providerState: { noise: noise(700_000) } });
      await expect(store.createSession(huge)).rejects.toBeInstanceOf(RecordTooLargeError);
      expect(await store.getSession(huge)).toBeNull();
    });

    it('lists newest first, by owner, in pages', async () => {
      const { store } = bench();
      for (const n of [3, 1, 5, 2, 4]) await store.createSession(aSession('dev', n));
      await store.createSession(aSession('eve', 9));
      const { items, sizes } = await allPages(2, (page) => store.listSessions('dev', page));
      expect(items.map((session) => session.id)).toEqual([5, 4, 3, 2, 1].map(sessionId));
      expect(sizes).toEqual([2, 2, 1]);
      expect((await allPages(5, (page) => store.listSessions('dev', page))).sizes).toEqual([5]);
      expect(await store.listSessions('nobody', { limit: 5, after: null })).toEqual({ items: [], unreadable: [], next: null });
    });

    it('goes on from a cursor whose row is gone', async () => {
      const { store } = bench();
      for (const n of [1, 2, 3]) await store.createSession(aSession('dev', n));
      const first = await store.listSessions('dev', { limit: 2, after: null });
      await store.deleteSession(aSession('dev', 2));
      const second = await store.listSessions('dev', { limit: 2, after: first.next });
      expect(second.items.map((session) => session.id)).toEqual([sessionId(1)]);
    });

    it('refuses forged cursors, and lets none reach another owner', async () => {
      const { store } = bench();
      await store.createSession(aSession('eve', 1));
      await store.createSession(aSession('dev', 2));
      const foreign = await store.listSessions('eve', { limit: 0 + 1, after: null });
      expect(foreign.items).toHaveLength(1);
      for (const after of [
        '',
        '!!',
        'a',
        'AAAA\n',
        '%00',
        Buffer.alloc(600, 65).toString('base64url'),
        Buffer.from([0xff, 0xfe]).toString('base64url'),
      ]) {
        await expect(store.listSessions('dev', { limit: 5, after })).rejects.toSatisfy((error) => isDevctlError(error, 'invalid_cursor'));
      }
      for (const after of ['zzzz', '~', '#W#', 'O#eve', sessionId(99)].map((text) => Buffer.from(text).toString('base64url'))) {
        const page = await store.listSessions('dev', { limit: 5, after });
        expect(page.items.every((session) => session.owner === 'dev')).toBe(true);
      }
      for (const after of ['x', Buffer.from('{}').toString('base64url'), Buffer.from('[1,2,3]').toString('base64url')]) {
        await expect(store.listLive({ limit: 5, after })).rejects.toSatisfy((error) => isDevctlError(error, 'invalid_cursor'));
      }
    });
  });

  describe('due and live', () => {
    it('gives what is due, soonest first, of every owner', async () => {
      const { store } = bench();
      await store.createSession(aSession('dev', 1, { dueAt: T0 + 30 }));
      await store.createSession(aSession('eve', 2, { dueAt: T0 + 10 }));
      await store.createSession(aSession('dev', 3, { dueAt: T0 + 20 }));
      await store.createSession(aSession('dev', 4, { dueAt: T0 + 31 }));
      await store.createSession(aSession('dev', 5, { dueAt: null }));
      const due = await store.listDue(T0 + 30, 10);
      expect(due).toEqual([
        { owner: 'eve', id: sessionId(2), dueAt: T0 + 10 },
        { owner: 'dev', id: sessionId(3), dueAt: T0 + 20 },
        { owner: 'dev', id: sessionId(1), dueAt: T0 + 30 },
      ]);
      expect(await store.listDue(T0 + 30, 2)).toEqual(due.slice(0, 2));
      expect(await store.listDue(T0 + 9, 10)).toEqual([]);
    });

    it.each(PHASE_NAMES)('knows whether %s is live, from its creation and from a save', async (phase) => {
      const { store } = bench();
      const live = phase !== 'stopped' && phase !== 'failed';
      const expected = live ? 2 : 0;
      await store.createSession(aSession('dev', 1, { phase }));
      await store.createSession(aSession('dev', 2));
      await store.saveSession(aSession('dev', 2, { phase }));
      expect((await store.listLive({ limit: 10, after: null })).items).toHaveLength(expected);
      expect(await store.listDue(FAR, 10)).toHaveLength(expected);
    });

    it('moves a session in the index with its dueAt, and keeps it there once', async () => {
      const { store } = bench();
      let session = aSession('dev', 1, { dueAt: T0 + 10 });
      await store.createSession(session);
      for (const dueAt of [T0 + 50, null, T0 + 5, T0 + 5, T0 + 70]) {
        session = (await store.saveSession({ ...session, dueAt })) ?? session;
        expect(await store.listDue(FAR, 10)).toHaveLength(dueAt === null ? 0 : 1);
        expect((await store.listLive({ limit: 10, after: null })).items).toEqual([{ owner: 'dev', id: session.id }]);
      }
      expect(session.version).toBe(6);
    });

    it('pages over every live session, also where many are due at the same time', async () => {
      const { store } = bench();
      await Promise.all(Array.from({ length: 25 }, (_, n) => store.createSession(aSession(`o${n % 3}`, n, { dueAt: T0 + (n % 2) }))));
      const { items, sizes } = await allPages(10, (page) => store.listLive(page));
      expect(new Set(items.map((key) => `${key.owner} ${key.id}`)).size).toBe(25);
      expect(sizes).toEqual([10, 10, 5]);
    });
  });

  describe('rows that cannot be read', () => {
    const KEY = { pk: { S: 'O#dev' } };
    const rowOf = (n: number, doc: unknown, with_: object = {}) => ({
      ...KEY,
      sk: { S: `S#${sessionId(n)}` },
      version: { N: '1' },
      writeId: { S: 'w' },
      sessionPhase: { S: 'ready' },
      liveShard: { S: 'live#0' },
      lookAt: { N: String(T0 + n) },
      doc: { S: typeof doc === 'string' ? doc : JSON.stringify(doc) },
      ...with_,
    });
    const good = (n: number) => {
      const { version: _, phase: __, ...doc } = aSession('dev', n);
      return doc;
    };
    const damaged: Array<[string, object]> = [
      ['no JSON', rowOf(1, '{"owner":')],
      ['no object', rowOf(1, '[]')],
      ['nothing', { ...KEY, sk: { S: `S#${sessionId(1)}` } }],
      ['an unknown phase', rowOf(1, good(1), { sessionPhase: { S: 'dancing' } })],
      ['a missing field', rowOf(1, { ...good(1), lease: undefined })],
      ['the record of another owner', rowOf(1, { ...good(1), owner: 'eve' })],
      ['the record of another id', rowOf(1, good(2))],
      ['damaged compression', rowOf(1, good(1), { doc: { B: Buffer.from('not deflated') } })],
      ['a version that is no number', rowOf(1, good(1), { version: { S: 'one' } })],
    ];

    it.each(damaged)('skips %s in a list, names it, and throws for it alone', async (_, row) => {
      const { store, putRow, warnings } = bench();
      await store.createSession(aSession('dev', 2));
      await putRow(row as Parameters<typeof putRow>[0]);
      const page = await store.listSessions('dev', { limit: 10, after: null });
      expect(page.items.map((session) => session.id)).toEqual([sessionId(2)]);
      expect(page.unreadable).toEqual([`O#dev S#${sessionId(1)}`]);
      expect(warnings).toContainEqual(expect.objectContaining({ op: 'store.unreadable', key: `O#dev S#${sessionId(1)}` }));
      await expect(store.getSession({ owner: 'dev', id: sessionId(1) })).rejects.toMatchObject({
        constructor: UnreadableRecordError,
        key: `O#dev S#${sessionId(1)}`,
      });
      expect(await store.getSession({ owner: 'dev', id: sessionId(2) })).not.toBeNull();
    });

    it('does not let one stand before the others that are due', async () => {
      const { store, putRow, clock } = bench();
      await putRow(rowOf(1, '{'));
      await store.createSession(aSession('dev', 2));
      clock.nowMs = T0 + 100;
      expect(await store.listDue(clock.nowMs, 1)).toEqual([{ owner: 'dev', id: sessionId(1), dueAt: T0 + 1 }]);
      await expect(store.getSession({ owner: 'dev', id: sessionId(1) })).rejects.toBeInstanceOf(UnreadableRecordError);
      expect(await store.listDue(clock.nowMs, 1)).toEqual([{ owner: 'dev', id: sessionId(2), dueAt: T0 + 2 }]);
      expect((await store.listLive({ limit: 10, after: null })).items).toHaveLength(2);
    });

    it('skips keys in the index that are no sessions', async () => {
      const { store, putRow } = bench();
      await putRow({ pk: { S: 'garbage' }, sk: { S: 'x' }, liveShard: { S: 'live#0' }, lookAt: { N: String(T0) } });
      await store.createSession(aSession('dev', 2));
      expect(await store.listDue(FAR, 10)).toEqual([{ owner: 'dev', id: sessionId(2), dueAt: T0 + 2 }]);
      const live = await store.listLive({ limit: 10, after: null });
      expect(live).toEqual({ items: [{ owner: 'dev', id: sessionId(2) }], unreadable: ['garbage x'], next: null });
    });

    it('never says what is in them', async () => {
      const { store, putRow } = bench();
      await putRow(rowOf(1, { ...good(1), desired: 'hunter2' }));
      await expect(store.getSession({ owner: 'dev', id: sessionId(1) })).rejects.toSatisfy((error: Error) => {
        return /desired/.test(error.message) && !/hunter2/.test(error.message);
      });
    });
  });

  describe('events', () => {
    const key = { owner: 'dev', id: sessionId(1) };

    it('keeps each once, in order, however often and in whatever order they are put', async () => {
      const { store } = bench();
      const events = [1, 2, 3, 4, 5].map((n) => anEvent(n));
      await store.putEvents(key, [events[4], events[1]] as typeof events);
      await Promise.all([store.putEvents(key, events), store.putEvents(key, [...events].reverse()), store.putEvents(key, [])]);
      expect(await store.listEvents(key, null, 100)).toEqual(events);
    });

    it('goes on after an id, whether or not it is there', async () => {
      const { store } = bench();
      await store.putEvents(
        key,
        [1, 2, 3, 5].map((n) => anEvent(n)),
      );
      const ids = async (after: string | null, limit: number) =>
        (await store.listEvents(key, after, limit)).map((event) => event.data?.['n']);
      expect(await ids(anEvent(2).id, 100)).toEqual([3, 5]);
      expect(await ids(anEvent(4).id, 100)).toEqual([5]);
      expect(await ids(anEvent(5).id, 100)).toEqual([]);
      expect(await ids(null, 2)).toEqual([1, 2]);
      expect(await ids('', 2)).toEqual([1, 2]);
    });

    it('belongs to one session of one owner', async () => {
      const { store } = bench();
      await store.putEvents(key, [anEvent(1)]);
      expect(await store.listEvents({ owner: 'eve', id: key.id }, null, 10)).toEqual([]);
      expect(await store.listEvents({ owner: 'dev', id: sessionId(2) }, null, 10)).toEqual([]);
    });

    it('skips what cannot be read, without cutting the list short', async () => {
      const { store, putRow } = bench();
      await store.putEvents(
        key,
        [1, 4, 5].map((n) => anEvent(n)),
      );
      for (const n of [2, 3]) await putRow({ pk: { S: `O#dev#E#${key.id}` }, sk: { S: anEvent(n).id }, doc: { S: '{}' } });
      expect(await store.listEvents(key, null, 3)).toEqual([1, 4, 5].map((n) => anEvent(n)));
    });
  });
}
