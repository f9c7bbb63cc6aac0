import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Session } from '../../launcher/contract/api.ts';
import { ordersSchema } from '../../launcher/contract/box.ts';
import { type Answer, ApiBench, codeOf, until } from '../support/api-bench.ts';
import { type Database, openDatabase } from '../support/table.ts';

let database: Database;
let bench: ApiBench;
let token: string;
beforeAll(async () => {
  database = await openDatabase();
  bench = await ApiBench.open(database);
  token = await bench.token('dev');
});
afterAll(async () => {
  await bench.close();
  await database.close();
});

const keyOf = (session: Session) => ({ owner: 'dev', id: session.id });
const beat = { state: 'ready', contentPresent: false, evidence: [] };
const create = async (workspace: string, body: object = {}) =>
  (await bench.ask<Session>('POST', '/sessions', { token, body: { workspace, ...body } })).body;
const read = async (session: Session) => (await bench.ask<Session>('GET', `/sessions/${session.id}`, { token })).body;
const orders = (answer: Answer) => ordersSchema.parse(answer.body);

describe('a box', () => {
  it('speaks for its own session and generation alone', async () => {
    const [a, b] = [await bench.up(token, 'box-a'), await bench.up(token, 'box-b')];
    const own = await bench.box('heartbeat', keyOf(a), 1, beat);
    expect(orders(own)).toMatchObject({ state: 'work', clone: null, runSetup: false, notice: null });
    const tokenOfA = bench.boxToken(keyOf(a), 1);
    for (const [session, generation, shown] of [
      [b, 1, tokenOfA],
      [a, 1, bench.boxToken(keyOf(a), 2)],
      [a, 2, tokenOfA],
      [a, 1, bench.boxToken({ owner: 'eve', id: a.id }, 1)],
      [a, 1, token],
      [a, 1, 'dvb_x'],
      [{ ...a, id: 'ses_0000000000000000000000abcd' }, 1, tokenOfA],
    ] as const) {
      for (const path of ['register', 'heartbeat'] as const) {
        const body = path === 'register' ? { agentVersion: '1', bootId: 'b' } : beat;
        expect(codeOf(await bench.box(path, keyOf(session), generation, body, shown)), `${session.id} ${generation}`).toBe('unauthorized');
      }
    }
    await bench.down(token, a.id);
    await bench.down(token, b.id);
    expect(orders(await bench.box('heartbeat', keyOf(a), 1, beat))).toMatchObject({ state: 'end' });
  });

  it('is told which disk it has, and that the first is a first one until it was mounted', async () => {
    const session = await bench.up(token, 'disk');
    const ask = async () => (await bench.box('disk', keyOf(session), 1, {})).body;
    const { volumeId } = (await bench.store.getSession(keyOf(session)))?.box ?? {};
    // This one has registered without a word of its file system, as those do whose provider mounts.
    expect(await ask()).toEqual({ volumeId, fileSystem: null, mayFormat: true });
    const fileSystem = '11111111-2222-4333-8444-555555555555';
    await bench.box('register', keyOf(session), 1, { agentVersion: '1', bootId: 'b', fileSystem });
    expect(await ask()).toEqual({ volumeId, fileSystem, mayFormat: false });
    expect(codeOf(await bench.box('disk', keyOf(session), 2, {}))).toBe('unauthorized');
    expect(codeOf(await bench.box('disk', keyOf(session), 1, {}, 'dvb_x'))).toBe('unauthorized');
    const forks = await bench.ask<{ workspaces: { name: string }[] }>('POST', '/workspaces/disk/fork', {
      token,
      body: { names: ['disk-copy'] },
    });
    expect(forks.body.workspaces.map(({ name }) => name)).toEqual(['disk-copy']);
    expect((await bench.store.getWorkspace('dev', 'disk-copy'))?.fileSystem).toBe(fileSystem);
    await bench.down(token, session.id);
  });

  it('of an older generation is told that it is over, and changes nothing', async () => {
    const session = await bench.up(token, 'rescued');
    bench.compute.lose(session.box?.id ?? '');
    bench.deps.signals.poke(keyOf(session));
    const second = await until(async () => {
      const now = await read(session);
      return now.generation === 2 && now.phase === 'ready' && now;
    }, 'the second generation is ready');
    const before = await bench.store.getSession(keyOf(session));
    for (const path of ['register', 'heartbeat'] as const) {
      const body =
        path === 'register' ? { agentVersion: '1', bootId: 'b' } : { ...beat, failure: { code: 'workspace_quarantined', detail: 'x' } };
      expect(codeOf(await bench.box(path, keyOf(session), 1, body))).toBe('stale_generation');
    }
    expect(await bench.store.getSession(keyOf(session))).toEqual(before);
    expect((await bench.ask('GET', '/workspaces/rescued', { token })).body).toMatchObject({ quarantined: null });
    await bench.down(token, second.id);
  });

  it('that is quicker than the saving of its launch is ready all the same', async () => {
    let registered: Promise<Answer> | undefined;
    bench.muteBoxes = true;
    const launch = bench.compute.launch;
    bench.compute.launch = async (request) => {
      const key = { owner: request.tags.owner, id: request.tags.sessionId };
      registered = bench.box('register', key, 1, { agentVersion: '1', bootId: 'b' });
      await until(() => bench.compute.calls.length >= 0, 'it is under way');
      return launch(request);
    };
    const session = await bench.up(token, 'quick');
    bench.compute.launch = launch;
    bench.muteBoxes = false;
    expect(orders((await registered) as Answer).state).toBe('work');
    await bench.down(token, session.id);
  });

  it('clones and sets up before it is ready, and shows how far it is', async () => {
    bench.muteBoxes = true;
    const source = { kind: 'git', url: 'https://example.org/shop', ref: 'main' };
    const session = await create('cloned', { source, allowSetup: true });
    const key = keyOf(session);
    await until(async () => (await read(session)).phase === 'bootstrapping', 'the box is launched');
    const first = await bench.box('register', key, 1, { agentVersion: '1', bootId: 'b' });
    expect(orders(first)).toMatchObject({ clone: { url: source.url, ref: 'main' }, runSetup: true });
    expect(await read(session)).toMatchObject({ phase: 'bootstrapping' });
    await bench.beat(key, 1, { state: 'preparing', progress: 'receiving 10 %' });
    const done = await bench.beat(key, 1, { state: 'preparing', progress: 'running setup', contentPresent: true });
    expect(orders(done)).toMatchObject({ clone: null, runSetup: true });
    const failure = { code: 'setup_failed' as const, detail: 'exit code 1' };
    await bench.beat(key, 1, { state: 'ready', contentPresent: true, failure });
    bench.muteBoxes = false;
    expect(await read(session)).toMatchObject({ phase: 'ready', content: 'present', failure });
    const { text } = await bench.ask('GET', `/sessions/${session.id}/events?follow=false`, { token });
    for (const type of ['session.registered', 'source.progress', 'setup.progress', 'setup.failed', 'session.ready'])
      expect(text).toContain(`event: ${type}`);
    await bench.down(token, session.id);
  });

  it.each([
    ['source_unavailable', 422],
    ['workspace_quarantined', 422],
    ['disk_unavailable', 502],
    ['disk_full', 507],
  ] as const)('that cannot go on (%s) ends its session with that failure; the workspace is kept', async (code, status) => {
    bench.firstBeat = { state: 'preparing', failure: { code, detail: 'no such repository' } };
    const name = `lost-${code.replace('_', '-')}`;
    const body = { workspace: name, source: { kind: 'git', url: 'https://example.org/none' } };
    const answer = await bench.ask('POST', '/sessions?wait=ready', { token, body });
    bench.firstBeat = { state: 'ready', contentPresent: true };
    expect(answer.status, answer.text).toBe(status);
    expect(answer.body).toMatchObject({ code, detail: 'no such repository' });
    const quarantined = code === 'workspace_quarantined' ? 'no such repository' : null;
    expect((await bench.ask('GET', `/workspaces/${name}`, { token })).body).toMatchObject({ session: null, content: 'empty', quarantined });
    const again = await bench.ask('POST', '/sessions?wait=ready', { token, body });
    bench.firstBeat = null;
    if (quarantined === null) expect(again.body, again.text).toMatchObject({ phase: 'ready', content: 'present' });
    else expect(codeOf(again)).toBe('workspace_quarantined');
    expect((await bench.store.getUsage('dev')).sessions).toHaveLength(quarantined === null ? 1 : 0);
    if (quarantined === null) await bench.down(token, (again.body as Session).id);
  });

  it('is shown the warning before its end, once for each end', async () => {
    const session = await bench.up(token, 'warned', { idleTtl: '20m' });
    bench.skewMs += 16 * 60_000;
    await bench.beat(keyOf(session), 1, {});
    bench.deps.signals.poke(keyOf(session));
    const notice = await until(async () => orders(await bench.beat(keyOf(session), 1, {})).notice ?? undefined, 'a warning comes');
    expect(notice.text).toMatch(/^devctl: this box stops in 3m5\ds|^devctl: this box stops in 4m/);
    expect(orders(await bench.beat(keyOf(session), 1, {})).notice?.id).toBe(notice.id);
    await bench.beat(keyOf(session), 1, { evidence: [{ kind: 'cpu', agoMs: 0, detail: 'make' }] });
    expect(orders(await bench.beat(keyOf(session), 1, {})).notice).toBeNull();
    await bench.down(token, session.id);
  });

  it('beats without a write when nothing is new', async () => {
    const session = await bench.up(token, 'still');
    const version = async () => (await bench.store.getSession(keyOf(session)))?.version;
    const before = await version();
    for (let index = 0; index < 10; index += 1) await bench.beat(keyOf(session), 1, {});
    expect(await version()).toBe(before);
    bench.skewMs += bench.deps.limits.silentMs / 3 + 1;
    await bench.beat(keyOf(session), 1, {});
    expect(await version()).toBe((before ?? 0) + 1);
    await bench.down(token, session.id);
  });
});

describe('the socket of a box', () => {
  it('serves the box and nothing else; the API serves no boxes', async () => {
    const other = await bench.boxApp.request('http://box/sessions', { headers: { authorization: `Bearer ${token}` } });
    expect(other.status).toBe(404);
    const body = JSON.stringify({ sessionId: 'ses_0000000000000000000000abcd', generation: 1, ...beat });
    const headers = { 'content-type': 'application/json' };
    expect((await bench.app.request('http://localhost/boxes/heartbeat', { method: 'POST', headers, body })).status).toBe(404);
    expect((await bench.boxApp.request('http://any.host/boxes/heartbeat', { method: 'POST', headers, body })).status).toBe(401);
  });

  it('refuses what is no heartbeat', async () => {
    const session = { owner: 'dev', id: 'ses_0000000000000000000000abcd' };
    for (const wrong of [
      { state: 'happy' },
      { evidence: [{ kind: 'api', agoMs: 0, detail: '' }] },
      { evidence: [{ kind: 'cpu', agoMs: -1, detail: '' }] },
      { owner: 'root' },
      { progress: 'x'.repeat(201) },
    ])
      expect(codeOf(await bench.box('heartbeat', session, 1, { ...beat, ...wrong }))).toBe('invalid_request');
  });
});
