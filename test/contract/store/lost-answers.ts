import { describe, expect, it } from 'vitest';
import { StoreUnavailableError } from '../../../launcher/ports/store.ts';
import type { StoreBench } from './bench.ts';
import { aBudget, anAdmission } from './budgets.ts';
import type { Fault } from './faults.ts';
import {
  anEvent,
  anIdempotency,
  aPoolBox,
  aSession,
  aSnapshot,
  asStored,
  aToken,
  aWorkspace,
  sessionId,
  T0,
  tokenId,
  workspaceId,
} from './fixtures.ts';

const QUOTAS = { liveSessions: 1, workspaces: 1, snapshotBytes: 1000 };
const REF = { workspaceId: workspaceId(1), id: 'snap_1' };

/** Each write of the port: what must be there before, the call to the table that it makes, and what it answers when it wins. */
const WRITES: Array<{
  name: string;
  operation: 'PutItem' | 'UpdateItem' | 'DeleteItem';
  given?: (bench: StoreBench) => Promise<unknown>;
  act: (bench: StoreBench) => Promise<unknown>;
  answer: unknown;
}> = [
  {
    name: 'createPoolBox',
    operation: 'PutItem',
    act: ({ store }) => store.createPoolBox(aPoolBox(1)),
    answer: true,
  },
  {
    name: 'savePoolBox',
    operation: 'UpdateItem',
    given: ({ store }) => store.createPoolBox(aPoolBox(1)),
    act: ({ store }) => store.savePoolBox(aPoolBox(1, { phase: 'claimed' })),
    answer: aPoolBox(1, { phase: 'claimed', version: 2 }),
  },
  {
    name: 'deletePoolBox',
    operation: 'DeleteItem',
    given: ({ store }) => store.createPoolBox(aPoolBox(1)),
    act: ({ store }) => store.deletePoolBox(aPoolBox(1)),
    answer: true,
  },
  {
    name: 'createSession',
    operation: 'PutItem',
    given: ({ store }) => store.createToken(aToken('dev', 9)),
    act: ({ store }) => store.createSession(aSession('dev', 1)),
    answer: true,
  },
  {
    name: 'saveSession',
    operation: 'UpdateItem',
    given: ({ store }) => store.createSession(aSession('dev', 1)),
    act: ({ store }) => store.saveSession(aSession('dev', 1)),
    answer: aSession('dev', 1, { version: 2 }),
  },
  {
    name: 'deleteSession',
    operation: 'DeleteItem',
    given: ({ store }) => store.createSession(aSession('dev', 1)),
    act: ({ store }) => store.deleteSession(aSession('dev', 1)),
    answer: true,
  },
  {
    name: 'putEvents',
    operation: 'PutItem',
    act: ({ store }) => store.putEvents({ owner: 'dev', id: sessionId(1) }, [anEvent(1)]),
    answer: undefined,
  },
  {
    name: 'createWorkspace',
    operation: 'PutItem',
    given: ({ store }) => store.createToken(aToken('dev', 9)),
    act: ({ store }) => store.createWorkspace(aWorkspace('dev', 'shop')),
    answer: true,
  },
  {
    name: 'saveWorkspace',
    operation: 'UpdateItem',
    given: ({ store }) => store.createWorkspace(aWorkspace('dev', 'shop')),
    act: ({ store }) => store.saveWorkspace(aWorkspace('dev', 'shop')),
    answer: aWorkspace('dev', 'shop', { version: 1 }),
  },
  {
    name: 'deleteWorkspace',
    operation: 'DeleteItem',
    given: ({ store }) => store.createWorkspace(aWorkspace('dev', 'shop')),
    act: ({ store }) => store.deleteWorkspace(aWorkspace('dev', 'shop')),
    answer: true,
  },
  { name: 'createSnapshot', operation: 'PutItem', act: ({ store }) => store.createSnapshot(aSnapshot('dev', 1)), answer: true },
  {
    name: 'updateSnapshot',
    operation: 'UpdateItem',
    given: ({ store }) => store.createSnapshot(aSnapshot('dev', 1)),
    act: ({ store }) => store.updateSnapshot('dev', REF, { bytes: 1 }),
    answer: true,
  },
  {
    name: 'pinSnapshot',
    operation: 'UpdateItem',
    given: ({ store }) => store.createSnapshot(aSnapshot('dev', 1)),
    act: ({ store }) => store.pinSnapshot('dev', REF, workspaceId(2)),
    answer: true,
  },
  {
    name: 'tombstoneSnapshot',
    operation: 'UpdateItem',
    given: ({ store }) => store.createSnapshot(aSnapshot('dev', 1)),
    act: ({ store }) => store.tombstoneSnapshot('dev', REF),
    answer: true,
  },
  {
    name: 'deleteSnapshot',
    operation: 'DeleteItem',
    given: async ({ store }) => (await store.createSnapshot(aSnapshot('dev', 1))) && store.tombstoneSnapshot('dev', REF),
    act: ({ store }) => store.deleteSnapshot('dev', REF),
    answer: true,
  },
  { name: 'reserveSession', operation: 'UpdateItem', act: ({ store }) => store.reserveSession('dev', sessionId(1), QUOTAS), answer: 'ok' },
  {
    name: 'reserveWorkspace',
    operation: 'UpdateItem',
    act: ({ store }) => store.reserveWorkspace('dev', workspaceId(1), QUOTAS),
    answer: 'ok',
  },
  {
    name: 'addSnapshotBytes',
    operation: 'UpdateItem',
    act: async ({ store }) => {
      await store.addSnapshotBytes('dev', REF, 7);
      return (await store.getUsage('dev')).snapshotBytes;
    },
    answer: 7,
  },
  {
    name: 'removeSnapshotBytes',
    operation: 'UpdateItem',
    given: ({ store }) => store.addSnapshotBytes('dev', REF, 7),
    act: async ({ store }) => {
      await store.removeSnapshotBytes('dev', REF, 7);
      return (await store.getUsage('dev')).snapshotBytes;
    },
    answer: 0,
  },
  {
    name: 'saveBudget',
    operation: 'PutItem',
    given: ({ store }) => store.createToken(aToken('dev', 9)),
    act: ({ store }) => store.saveBudget(aBudget()),
    answer: aBudget({ version: 1 }),
  },
  {
    name: 'admitToBudget',
    operation: 'UpdateItem',
    given: ({ store }) => store.saveBudget(aBudget()),
    act: ({ store }) => store.admitToBudget(aBudget(), anAdmission(1), 401),
    answer: true,
  },
  {
    name: 'leaveBudget',
    operation: 'UpdateItem',
    given: async ({ store }) => {
      await store.saveBudget(aBudget());
      await store.admitToBudget(aBudget(), anAdmission(1), 401);
    },
    act: async ({ store }) => {
      await store.leaveBudget(aBudget(), anAdmission(1));
      return (await store.getBudget('dev', aBudget().month))?.committedMicroUsd;
    },
    answer: 400,
  },
  {
    name: 'createToken',
    operation: 'PutItem',
    given: ({ store }) => store.createToken(aToken('dev', 9)),
    act: ({ store }) => store.createToken(aToken('dev', 1)),
    answer: true,
  },
  {
    name: 'revokeToken',
    operation: 'UpdateItem',
    given: ({ store }) => store.createToken(aToken('dev', 1)),
    act: ({ store }) => store.revokeToken('dev', tokenId(1), T0),
    answer: true,
  },
  {
    name: 'claimIdempotency',
    operation: 'PutItem',
    act: ({ store }) => store.claimIdempotency(anIdempotency('dev', 'k'), T0),
    answer: anIdempotency('dev', 'k'),
  },
];

const attemptsOf = ({ faults }: StoreBench, operation: string): number => faults.attempts.filter((attempt) => attempt === operation).length;

export function lostAnswerCases(bench: () => StoreBench): void {
  describe.each(WRITES)('$name', ({ operation, given, act, answer }) => {
    it('knows its own success when the answer was lost and the call repeated', async () => {
      const on = bench();
      await given?.(on);
      on.faults.reset();
      on.faults.next(operation, 'lose');
      expect(await act(on)).toEqual(answer);
      expect(attemptsOf(on, operation)).toBe(2);
    });

    it('says that the store did not answer when no attempt got through, and can be repeated after', async () => {
      const on = bench();
      await given?.(on);
      on.faults.reset();
      on.faults.next(operation, 'refuse', 4);
      await expect(act(on)).rejects.toBeInstanceOf(StoreUnavailableError);
      on.faults.reset();
      expect(await act(on)).toEqual(answer);
    });
  });

  describe('faults on the way', () => {
    it.each<Fault>(['timeout', 'refuse', 'throttle', 'server'])('%s that passes is not seen', async (fault) => {
      const { store, faults } = bench();
      await store.createSession(aSession('dev', 1));
      faults.next('GetItem', fault, 2);
      faults.next('Query', fault, 1);
      expect(await store.getSession(aSession('dev', 1))).toEqual(asStored(aSession('dev', 1)));
      expect((await store.listSessions('dev', { limit: 10, after: null })).items).toHaveLength(1);
    });

    it.each<Fault>(['timeout', 'refuse', 'throttle', 'server'])('%s that stays is StoreUnavailableError, with its cause', async (fault) => {
      const { store, faults } = bench();
      faults.next('GetItem', fault, 4);
      await expect(store.ping()).rejects.toSatisfy((error) => error instanceof StoreUnavailableError && error.cause instanceof Error);
    });

    it('a create that was committed is known even after others have changed the record', async () => {
      const { store, faults } = bench();
      await store.createToken(aToken('dev', 9));
      faults.next('PutItem', 'lose');
      faults.meanwhile(() => store.saveSession(aSession('dev', 1, { phase: 'quiescing' })));
      expect(await store.createSession(aSession('dev', 1))).toBe(true);
      expect(await store.getSession(aSession('dev', 1))).toMatchObject({ phase: 'quiescing', version: 2 });
    });

    it('a save that was committed and then overwritten does not overwrite again', async () => {
      const { store, faults } = bench();
      const session = aSession('dev', 1);
      await store.createSession(session);
      faults.next('UpdateItem', 'lose');
      faults.meanwhile(async () => store.saveSession({ ...session, version: 2, endReason: 'theirs' }));
      expect(await store.saveSession({ ...session, endReason: 'ours' })).toBeNull();
      expect(await store.getSession(session)).toMatchObject({ version: 3, endReason: 'theirs' });
    });

    it('a save that lost is not taken for a success after a retry', async () => {
      const { store, faults } = bench();
      const session = aSession('dev', 1);
      await store.createSession(session);
      await store.saveSession({ ...session, endReason: 'theirs' });
      faults.next('UpdateItem', 'timeout');
      expect(await store.saveSession({ ...session, endReason: 'ours' })).toBeNull();
    });

    it('of two that remove the same record, one is told that it did', async () => {
      const { store, another } = bench();
      await store.createSession(aSession('dev', 1));
      const outcomes = await Promise.all([store.deleteSession(aSession('dev', 1)), another().deleteSession(aSession('dev', 1))]);
      expect(outcomes.filter(Boolean)).toHaveLength(1);
    });
  });
}
