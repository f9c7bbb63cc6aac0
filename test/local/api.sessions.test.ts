import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Session, sessionSchema, snapshotSchema, whySchema } from '../../launcher/contract/api.ts';
import { ApiBench, codeOf, until } from '../support/api-bench.ts';
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

describe('a session', () => {
  it('has the machine that was asked for; what this provider has not is refused by its field, with nothing made', async () => {
    const ask = (body: object) => bench.ask<Session>('POST', '/sessions', { token, body: { workspace: 'wish', ...body } });
    expect(await ask({ arch: 'arm64' })).toMatchObject({
      status: 400,
      body: { code: 'invalid_request', issues: [{ field: 'arch', got: 'arm64', message: 'is not that of a fake box: x86_64' }] },
    });
    expect(await ask({ instanceTypes: ['m7a.large'] })).toMatchObject({ status: 400, body: { issues: [{ field: 'instanceTypes' }] } });
    const secrets = [{ name: 'TOKEN', valueFrom: 'arn:aws:secretsmanager:eu-central-1:123456789012:secret:token-a1B2c3' }];
    expect(await ask({ secrets, awsCredentials: true })).toMatchObject({
      status: 400,
      body: { issues: [{ field: 'secrets', message: expect.stringContaining('a fake box has none') }, { field: 'awsCredentials' }] },
    });
    const value = 'npm_a-value-and-no-reference';
    const answer = await ask({ secrets: [{ name: 'TOKEN', valueFrom: value }] });
    expect(answer.body).toMatchObject({ issues: [{ field: 'secrets.0.valueFrom', message: expect.stringContaining('ARN of a secret') }] });
    expect(answer.text).not.toContain(value);
    for (const body of [{ policy: 'cheap' }, { arch: 'mips' }, { instanceTypes: [] }, { instanceTypes: ['m7a large'] }])
      expect(codeOf(await ask(body))).toBe('invalid_request');
    expect(codeOf(await bench.ask('GET', '/workspaces/wish', { token }))).toBe('not_found');
    const { body } = await ask({ policy: 'spot', arch: 'x86_64' });
    expect(body).toMatchObject({ policy: 'spot', arch: 'x86_64', instanceTypes: [] });
    await bench.ask('DELETE', `/sessions/${body.id}?wait=stopped`, { token });
    await bench.ask('DELETE', '/workspaces/wish?force=true', { token });
  });

  it('is made, is ready, is seen, and goes down with a receipt', async () => {
    const answer = await bench.ask<Session>('POST', '/sessions?wait=ready', { token, body: { workspace: 'shop', idleTtl: '30m' } });
    expect(answer.status, answer.text).toBe(201);
    const session = sessionSchema.strict().parse(answer.body);
    expect(session).toMatchObject({ workspace: 'shop', phase: 'ready', generation: 1, provider: 'fake', owner: 'dev', failure: null });
    expect(answer.headers.get('location')).toBe(`/sessions/${session.id}`);
    expect(answer.headers.get('x-request-id')).toMatch(/^req_/);

    const list = await bench.ask<{ items: Session[]; nextCursor: string | null }>('GET', '/sessions', { token });
    expect(list.body).toMatchObject({ items: [{ id: session.id }], nextCursor: null });
    const why = await bench.ask('GET', `/sessions/${session.id}/why`, { token });
    expect(whySchema.parse(why.body)).toMatchObject({ phase: 'ready', because: 'idle 30m after the last evidence' });

    const down = await bench.ask<Session>('DELETE', `/sessions/${session.id}?wait=stopped`, { token });
    expect(down.status, down.text).toBe(202);
    expect(down.body).toMatchObject({ phase: 'stopped', endReason: 'user', receipt: { snapshot: 'snap_1', clean: true } });
    expect((await bench.ask<{ items: Session[] }>('GET', '/sessions', { token })).body.items).toEqual([]);
    const all = await bench.ask<{ items: Session[] }>('GET', '/sessions?all=true&workspace=shop', { token });
    expect(all.body.items.map(({ id }) => id)).toEqual([session.id]);
    expect((await bench.ask('GET', `/sessions/${session.id}?wait=ready`, { token })).body).toMatchObject({ phase: 'stopped' });
    expect((await bench.ask('DELETE', `/sessions/${session.id}`, { token })).status).toBe(202);
  });

  it('is refused for a workspace that has one, which is named with what it does; nothing is left of it', async () => {
    const first = await bench.up(token, 'taken');
    const second = await bench.ask('POST', '/sessions', { token, body: { workspace: 'taken', allowSetup: true } });
    expect(second.status).toBe(409);
    expect(second.body).toMatchObject({
      code: 'workspace_in_use',
      sessionId: first.id,
      detail: `workspace taken is leased by ${first.id} (ready)`,
    });
    const all = await bench.ask<{ items: Session[] }>('GET', '/sessions?workspace=taken&all=true', { token });
    expect(all.body.items.map(({ id }) => id)).toEqual([first.id]);
    expect((await bench.store.getUsage('dev')).sessions).toContain(first.id);
    expect((await bench.store.getUsage('dev')).sessions).toHaveLength(1);
    expect((await bench.ask('GET', '/workspaces/taken', { token })).body).toMatchObject({ setupAllowed: null, session: first.id });
    await bench.down(token, first.id);
  });

  it('that fails says why, and can be tried again', async () => {
    bench.compute.faults.add({ op: 'launch', kind: 'capacity', times: 3 });
    const failed = await bench.ask('POST', '/sessions?wait=ready', { token, body: { workspace: 'scarce' } });
    expect(failed.status, failed.text).toBe(503);
    expect(failed.body).toMatchObject({ code: 'no_capacity', retryable: true, detail: 'launch: capacity (as told)' });
    expect(failed.headers.get('retry-after')).toBe('1');
    bench.compute.faults.clear();
    await bench.down(token, (await bench.up(token, 'scarce')).id);
  });

  it('answers 504 with its id when it is not ready in time, and goes on', async () => {
    bench.muteBoxes = true;
    const late = await bench.ask('POST', '/sessions?wait=ready&timeout=1s', { token, body: { workspace: 'slow' } });
    expect(late.status).toBe(504);
    const { sessionId = '' } = late.body as { sessionId?: string };
    bench.muteBoxes = false;
    const ready = bench.ask('GET', `/sessions/${sessionId}?wait=ready`, { token });
    await bench.boot({ owner: 'dev', id: sessionId }, 1);
    expect((await ready).body).toMatchObject({ phase: 'ready' });
    await bench.down(token, sessionId);
  });

  it('keeps its box when the snapshot fails, says so, and goes down when it works again', async () => {
    const session = await bench.up(token, 'full');
    bench.compute.faults.add({ op: 'snapshot', kind: 'disk_full' });
    const failed = await bench.ask('DELETE', `/sessions/${session.id}?wait=stopped`, { token });
    expect(failed.status, failed.text).toBe(507);
    expect(failed.body).toMatchObject({ code: 'disk_full', sessionId: session.id });
    expect((await bench.ask('GET', `/sessions/${session.id}`, { token })).body).toMatchObject({ phase: 'ready', desired: 'ready' });
    expect(await bench.down(token, session.id)).toMatchObject({ phase: 'stopped', receipt: { snapshot: 'snap_2' } });
  });

  it('waits for no more than quiet when told so', async () => {
    const session = await bench.up(token, 'quiet');
    const down = await bench.ask<Session>('DELETE', `/sessions/${session.id}?wait=quiet`, { token });
    expect(down.status).toBe(202);
    expect(down.body.phase).not.toBe('ready');
    await bench.down(token, session.id);
  });
});

describe('a checkpoint', () => {
  it('is the head afterwards and the session goes on; the same key gives the same one', async () => {
    const session = await bench.up(token, 'points');
    const path = `/sessions/${session.id}/snapshots`;
    const first = await bench.ask('POST', path, { token, key: 'k1', body: { note: 'before lunch' } });
    expect(first.status, first.text).toBe(201);
    expect(snapshotSchema.parse(first.body)).toMatchObject({ id: 'snap_1', isHead: true, note: 'before lunch', reason: 'checkpoint' });
    const again = await bench.ask('POST', path, { token, key: 'k1', body: { note: 'before lunch' } });
    expect(again.body).toEqual(first.body);
    expect(codeOf(await bench.ask('POST', path, { token, key: 'k1', body: { note: 'other' } }))).toBe('idempotency_mismatch');
    expect((await bench.ask('POST', path, { token })).body).toMatchObject({ id: 'snap_2', parent: { id: 'snap_1' } });
    const page = await bench.ask<{ items: Array<{ id: string; isHead: boolean }> }>('GET', '/workspaces/points/snapshots', { token });
    expect(page.body.items.map(({ id, isHead }) => [id, isHead])).toEqual([
      ['snap_2', true],
      ['snap_1', false],
    ]);
    await bench.down(token, session.id);
    expect(codeOf(await bench.ask('POST', path, { token }))).toBe('wrong_phase');
  });

  it('that fails leaves everything as it was', async () => {
    const session = await bench.up(token, 'unlucky');
    bench.compute.faults.add({ op: 'snapshot', kind: 'fatal' });
    const answer = await bench.ask('POST', `/sessions/${session.id}/snapshots`, { token });
    expect(codeOf(answer)).toBe('snapshot_failed');
    expect((await bench.ask('GET', `/sessions/${session.id}`, { token })).body).toMatchObject({ phase: 'ready', head: null });
    await bench.down(token, session.id);
  });
});

describe('holds', () => {
  it('are made, moved, counted and removed; a repeat with its key does not move the end', async () => {
    const session = await bench.up(token, 'held');
    const path = `/sessions/${session.id}/holds`;
    const first = await bench.ask('POST', path, { token, key: 'h1', body: { name: 'build', for: '2h' } });
    expect(first.status, first.text).toBe(201);
    const again = await bench.ask('POST', path, { token, key: 'h1', body: { name: 'build', for: '2h' } });
    expect(again.body).toEqual(first.body);
    await bench.ask('POST', path, { token, body: { name: 'build', for: '3h' } });
    const why = await bench.ask('GET', `/sessions/${session.id}/why`, { token });
    expect(why.body).toMatchObject({ because: 'hold build ends', holds: [{ name: 'build' }] });
    expect((await bench.ask('DELETE', `${path}/build`, { token })).status).toBe(204);
    expect(codeOf(await bench.ask('DELETE', `${path}/build`, { token }))).toBe('not_found');
    for (let index = 0; index < bench.deps.limits.holds; index += 1)
      expect((await bench.ask('POST', path, { token, body: { name: `h${index}`, for: '1h' } })).status).toBe(201);
    expect(codeOf(await bench.ask('POST', path, { token, body: { name: 'more', for: '1h' } }))).toBe('quota_exceeded');
    await bench.down(token, session.id);
    expect(codeOf(await bench.ask('POST', path, { token, body: { name: 'late', for: '1h' } }))).toBe('wrong_phase');
  });
});

describe('the lease', () => {
  it('is renewed by use, not by looking; what comes too late is told so', async () => {
    const session = await bench.up(token, 'busy', { idleTtl: '10m' });
    const idleEnd = async () => Date.parse((await bench.ask<Session>('GET', `/sessions/${session.id}`, { token })).body.lease.idleEndsAt);
    const before = await idleEnd();
    bench.skewMs += 60_000;
    for (const path of ['', '/why', '/events?follow=false', '/logs']) await bench.ask('GET', `/sessions/${session.id}${path}`, { token });
    expect(await idleEnd()).toBe(before);
    const ran = await bench.ask('POST', `/sessions/${session.id}/exec`, { token, body: { argv: ['both', '0'] } });
    expect(ran.status, ran.text).toBe(200);
    const after = await idleEnd();
    expect(after).toBeGreaterThanOrEqual(before + 60_000);
    await bench.ask('POST', `/sessions/${session.id}/exec`, { token, body: { argv: ['both', '0'] } });
    expect(await idleEnd()).toBe(after);
    bench.skewMs += 3_600_000;
    expect(codeOf(await bench.ask('POST', `/sessions/${session.id}/exec`, { token, body: { argv: ['both', '0'] } }))).toBe('lease_ended');
    const key = { owner: 'dev', id: session.id };
    await bench.beat(key, 1, {});
    bench.deps.signals.poke(key);
    await until(async () => (await bench.store.getSession(key))?.phase === 'stopped', 'it stops by itself');
    const late = await bench.ask('POST', `/sessions/${session.id}/holds`, { token, body: { name: 'x', for: '1h' } });
    expect(codeOf(late)).toBe('lease_ended');
  });
});
