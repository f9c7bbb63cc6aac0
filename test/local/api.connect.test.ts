import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Connection, Session } from '../../launcher/contract/api.ts';
import type { Machines } from '../../launcher/ports/provider.ts';
import { ApiBench, codeOf } from '../support/api-bench.ts';
import { type Database, openDatabase } from '../support/table.ts';

const MACHINES: Machines = {
  boxIdOf: async () => '',
  accessKey: ({ sessionId, generation }) => `key of ${sessionId} ${generation}`,
  sessionManager: { region: 'eu-central-1', agentPort: 881, document: 'AWS-StartPortForwardingSession' },
};

describe('the way to a box', () => {
  let database: Database;
  let bench: ApiBench;
  let token: string;
  let session: Session;
  beforeAll(async () => {
    database = await openDatabase();
    bench = await ApiBench.open(database);
    token = await bench.token('dev');
    session = await bench.up(token, 'shop');
  });
  afterAll(async () => {
    await bench.close();
    await database.close();
  });

  // Boxes of the bench have tokens: that they are machines is said only while the way to one is asked for.
  const connect = async (body: object = {}, as = token, id = session.id, machines: Machines | null = MACHINES) => {
    if (machines !== null) bench.deps.machines = machines;
    const answer = await bench.ask<Connection>('POST', `/sessions/${id}/connect`, { token: as, body });
    delete bench.deps.machines;
    return answer;
  };

  it('is told with the key of that box, and how long it holds at most', async () => {
    expect((await connect()).body).toEqual({
      way: 'session-manager',
      region: 'eu-central-1',
      instanceId: session.box?.id,
      document: 'AWS-StartPortForwardingSession',
      port: 881,
      accessKey: `key of ${session.id} ${session.generation}`,
      expiresAt: session.lease.hardEndsAt,
    });
    expect(bench.lines.join('\n')).not.toContain('key of ses_');
  });

  it('counts as activity, but not for the log', async () => {
    const fresh = await bench.up(token, 'quiet');
    const kinds = async () =>
      (await bench.store.getSession({ owner: 'dev', id: fresh.id }))?.lease.evidence.map(({ kind, detail }) => `${kind} ${detail}`);
    const before = await kinds();
    expect((await connect({ purpose: 'logs' }, token, fresh.id)).status).toBe(200);
    expect(await kinds()).toEqual(before);
    await connect({ purpose: 'copy' }, token, fresh.id);
    expect(await kinds()).toContain('connection copy');
  });

  it('is for its owner, with the scope to write, while the session is ready', async () => {
    expect(codeOf(await connect({}, await bench.token('somebody')))).toBe('not_found');
    expect(codeOf(await connect({}, await bench.token('dev', ['read'])))).toBe('forbidden');
    expect(codeOf(await connect({ purpose: 'to see' }))).toBe('invalid_request');
    const over = await bench.up(token, 'over');
    await bench.down(token, over.id);
    for (const purpose of ['command', 'logs']) expect(codeOf(await connect({ purpose }, token, over.id))).toBe('wrong_phase');
  });

  it('is not there where boxes are reached through the launcher alone', async () => {
    const { sessionManager: _, ...machines } = MACHINES;
    expect(codeOf(await connect({}, token, session.id, machines))).toBe('unsupported');
    expect(codeOf(await connect({}, token, session.id, null))).toBe('unsupported');
  });
});
