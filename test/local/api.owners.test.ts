import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Session, Workspace } from '../../launcher/contract/api.ts';
import { parseUserToken } from '../../launcher/contract/tokens.ts';
import { type Answer, ApiBench, type Ask, codeOf } from '../support/api-bench.ts';
import { type Example, examples, operationOf, pathOf, type UserOperation } from '../support/route-table.ts';
import { type Database, openDatabase } from '../support/table.ts';

let database: Database;
let bench: ApiBench;
let mine: string;
let theirs: string;
let session: Session;
let foreign: Record<UserOperation, Example>;
const unknown = examples({ session: 'ses_0000000000000000000000abcd', workspace: 'nowhere', token: 'tok_0000000000000000000000abcd' });

beforeAll(async () => {
  database = await openDatabase();
  bench = await ApiBench.open(database);
  [mine, theirs] = [await bench.token('alice'), await bench.token('bob')];
  await bench.down(mine, (await bench.up(mine, 'secret-plans')).id);
  session = await bench.up(mine, 'secret-plans');
  await bench.ask('POST', `/sessions/${session.id}/holds`, { token: mine, body: { name: 'build', for: '1h' } });
  foreign = examples({ session: session.id, workspace: 'secret-plans', token: parseUserToken(mine)?.id ?? '' });
});
afterAll(async () => {
  await bench.close();
  await database.close();
});

const ask = (id: UserOperation, example: Example, token: string): Promise<Answer> => {
  const { method, upload } = operationOf(id);
  const more: Ask = upload ? { raw: 'tar', headers: { 'content-type': upload } } : {};
  return bench.ask(method, pathOf(id, example), { token, ...(example.body && { body: example.body }), ...more });
};

/** What differs between two answers of the same kind by nature. */
const plain = (answer: Answer, ...names: string[]): string =>
  names.reduce((text, name) => text.replaceAll(name, 'NAME'), answer.text).replace(/req_[0-9a-z]+/g, 'REQ');

const withParams = (Object.keys(unknown) as UserOperation[]).filter((id) => unknown[id].params !== undefined && id !== 'attach');

describe('what is of another owner', () => {
  it.each(withParams)('is not there for %s: the answer is the same as for what nobody has', async (id) => {
    const [others, nobodys] = [await ask(id, foreign[id], theirs), await ask(id, unknown[id], theirs)];
    expect(others.status).toBe(404);
    expect(plain(others, session.id, 'secret-plans', foreign.revokeToken.params?.['id'] ?? '')).toBe(
      plain(nobodys, 'ses_0000000000000000000000abcd', 'nowhere', 'tok_0000000000000000000000abcd'),
    );
    expect([...others.headers.keys()]).toEqual([...nobodys.headers.keys()]);
  });

  it('is in no list', async () => {
    for (const path of ['/sessions?all=true', '/workspaces', '/tokens']) {
      const { text } = await bench.ask('GET', path, { token: theirs });
      expect(text).not.toContain('alice');
      expect(text).not.toContain('secret-plans');
    }
  });

  it('is untouched by all of this', async () => {
    expect((await bench.ask('GET', `/sessions/${session.id}`, { token: mine })).body).toMatchObject({ phase: 'ready', desired: 'ready' });
    expect((await bench.ask('GET', '/workspaces/secret-plans', { token: mine })).body).toMatchObject({
      head: 'snap_1',
      setupAllowed: null,
    });
    expect((await bench.ask('GET', '/whoami', { token: mine })).status).toBe(200);
    expect(bench.access.calls.filter(({ op }) => op !== 'poke')).toEqual([]);
  });

  it('has names of its own: the same name is another workspace', async () => {
    const other = await bench.up(theirs, 'secret-plans');
    const workspace = (await bench.ask<Workspace>('GET', '/workspaces/secret-plans', { token: theirs })).body;
    expect(workspace).toMatchObject({ owner: 'bob', head: null, session: other.id });
    const sameKey = { key: 'same', body: { workspace: 'keyed' } };
    const [a, b] = [
      await bench.ask<Session>('POST', '/sessions', { token: mine, ...sameKey }),
      await bench.ask<Session>('POST', '/sessions', { token: theirs, ...sameKey }),
    ];
    expect(a.body.id).not.toBe(b.body.id);
    expect(codeOf(await bench.ask('POST', '/workspaces/secret-plans/fork', { token: theirs, body: { snapshot: 'snap_1' } }))).toBe(
      'not_found',
    );
    expect(codeOf(await bench.ask('POST', '/workspaces/secret-plans/restore', { token: theirs, body: { snapshot: 'snap_1' } }))).toBe(
      'workspace_in_use',
    );
  });
});

describe('a cursor', () => {
  it('opens the list that it was made by, for the owner that it was made for, and no other', async () => {
    for (let index = 0; index < 3; index += 1) await bench.token('alice');
    const page = await bench.ask<{ items: unknown[]; nextCursor: string }>('GET', '/tokens?limit=1', { token: mine });
    const cursor = page.body.nextCursor;
    expect((await bench.ask('GET', `/tokens?limit=1&cursor=${cursor}`, { token: mine })).status).toBe(200);
    const [position = '', mac = ''] = cursor.split('.');
    const forged = [
      ['/tokens', theirs, cursor],
      ['/sessions', mine, cursor],
      ['/workspaces', mine, cursor],
      ['/workspaces/secret-plans/snapshots', mine, cursor],
      ['/tokens', mine, position],
      ['/tokens', mine, `${position}.`],
      ['/tokens', mine, `.${mac}`],
      ['/tokens', mine, `${position}.${mac}.`],
      ['/tokens', mine, `${position}=.${mac}`],
      ['/tokens', mine, `${Buffer.from('{"owner":"bob"}').toString('base64url')}.${mac}`],
      ['/tokens', mine, `${position}.${mac.slice(0, -2)}`],
      ['/tokens', mine, 'x'],
    ] as const;
    for (const [path, token, value] of forged)
      expect(codeOf(await bench.ask('GET', `${path}?cursor=${encodeURIComponent(value)}`, { token })), `${path} ${value}`).toBe(
        'invalid_cursor',
      );
  });

  it('of a filtered list is of that filter', async () => {
    await bench.down(mine, session.id);
    session = await bench.up(mine, 'secret-plans');
    const page = await bench.ask<{ items: unknown[]; nextCursor: string }>('GET', '/sessions?all=true&limit=1', { token: mine });
    expect(codeOf(await bench.ask('GET', `/sessions?limit=1&cursor=${page.body.nextCursor}`, { token: mine }))).toBe('invalid_cursor');
    const seen: string[] = [];
    let cursor: string | null = '';
    while (cursor !== null) {
      const next: Answer<{ items: Session[]; nextCursor: string | null }> = await bench.ask(
        'GET',
        `/sessions?all=true&limit=1${cursor && `&cursor=${cursor}`}`,
        { token: mine },
      );
      seen.push(...next.body.items.map(({ id }) => id));
      cursor = next.body.nextCursor;
    }
    expect(seen).toHaveLength(4);
    expect(seen).toEqual([...new Set(seen)].sort().reverse());
  });
});
