import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Workspace, workspaceSchema } from '../../launcher/contract/api.ts';
import { changeWorkspace } from '../../launcher/ledger/workspaces.ts';
import { StoreUnavailableError } from '../../launcher/ports/store.ts';
import { ApiBench, codeOf, until } from '../support/api-bench.ts';
import { type Database, openDatabase } from '../support/table.ts';

let database: Database;
let bench: ApiBench;
let token: string;
beforeAll(async () => {
  database = await openDatabase();
  bench = await ApiBench.open(database, { quotas: { workspaces: 100 } });
  token = await bench.token('dev');
});
afterAll(async () => {
  await bench.close();
  await database.close();
});

/** A workspace that was up and down `times` times, with as many snapshots. */
async function saved(name: string, times = 1): Promise<void> {
  for (let time = 0; time < times; time += 1) await bench.down(token, (await bench.up(token, name)).id);
}
const get = async (name: string) => (await bench.ask<Workspace>('GET', `/workspaces/${name}`, { token })).body;
interface Forked {
  snapshot: string;
  workspaces: Workspace[];
}

describe('a workspace', () => {
  it('is listed by name, changed, and gone at once when it is deleted', async () => {
    await saved('alpha');
    await saved('beta');
    const page = await bench.ask<{ items: Workspace[]; nextCursor: string }>('GET', '/workspaces?limit=1', { token });
    expect(page.body.items.map(({ name }) => name)).toEqual(['alpha']);
    workspaceSchema.strict().parse(page.body.items[0]);
    const next = await bench.ask<{ items: Workspace[] }>('GET', `/workspaces?limit=1&cursor=${page.body.nextCursor}`, { token });
    expect(next.body.items.map(({ name }) => name)).toEqual(['beta']);
    const body = { retention: { keepLast: 3, keepDaily: 0 }, setupAllowed: true };
    const changed = await bench.ask('PATCH', '/workspaces/alpha', { token, body });
    expect(changed.body).toMatchObject({ ...body, head: 'snap_1', unsaved: false });
    expect((await bench.ask('DELETE', '/workspaces/alpha', { token })).status).toBe(204);
    for (const [method, path] of [
      ['GET', '/workspaces/alpha'],
      ['PATCH', '/workspaces/alpha'],
      ['DELETE', '/workspaces/alpha'],
      ['POST', '/workspaces/alpha/fork'],
      ['GET', '/workspaces/alpha/snapshots'],
    ] as const)
      expect(codeOf(await bench.ask(method, path, { token })), `${method} ${path}`).toBe('not_found');
    expect(codeOf(await bench.ask('POST', '/sessions', { token, body: { workspace: 'alpha' } }))).toBe('conflict');
  });

  it('is not deleted while it is in use, has unsaved work, or a fork needs its snapshots', async () => {
    const session = await bench.up(token, 'guarded');
    expect(codeOf(await bench.ask('DELETE', '/workspaces/guarded?force=true', { token }))).toBe('workspace_in_use');
    await bench.down(token, session.id);
    await changeWorkspace(bench.deps, 'dev', 'guarded', (workspace) => ({
      ...workspace,
      content: 'present',
      volume: { id: 'vol_x', epoch: 2, savedEpoch: 1, keepUntil: null },
    }));
    const unsaved = await bench.ask('DELETE', '/workspaces/guarded', { token });
    expect(unsaved.body).toMatchObject({
      code: 'unsaved_work',
      detail: 'workspace guarded: its live volume has work that is in no snapshot',
    });
    expect(codeOf(await bench.ask('POST', '/workspaces/guarded/fork', { token }))).toBe('unsaved_work');
    expect(codeOf(await bench.ask('POST', '/workspaces/guarded/restore', { token, body: { snapshot: 'snap_1' } }))).toBe('unsaved_work');
    expect((await bench.ask('POST', '/workspaces/guarded/fork', { token, body: { snapshot: 'snap_1' } })).status).toBe(201);
    expect(codeOf(await bench.ask('DELETE', '/workspaces/guarded?force=true', { token }))).toBe('in_use');
  });

  it('with unpushed work in its last receipt says so before it is deleted', async () => {
    const session = await bench.up(token, 'unpushed');
    const box = bench.compute.boxOf(session.id);
    if (box === undefined) throw new Error('it has no box');
    const repository = { path: 'src', branch: 'main', dirtyFiles: 3, unpushedCommits: 2, hasRemote: true };
    const report = {
      stoppedProcesses: [],
      killedProcesses: [],
      repositories: [repository],
      files: 1,
      bytes: 1,
      canary: null,
      truncated: false,
      tookMs: 1,
    };
    box.quiet = report as typeof box.quiet;
    await bench.down(token, session.id);
    const refused = await bench.ask('DELETE', '/workspaces/unpushed', { token });
    expect(refused.body).toMatchObject({
      code: 'unsaved_work',
      detail: 'workspace unpushed: src has 2 unpushed commits; src has 3 changed files',
    });
    expect((await bench.ask('DELETE', '/workspaces/unpushed?force=true', { token })).status).toBe(204);
  });
});

describe('a fork', () => {
  it('begins with the head, keeps its source as it is, and is made once for a key', async () => {
    await saved('origin');
    const before = await get('origin');
    const first = await bench.ask<Forked>('POST', '/workspaces/origin/fork', { token, key: 'f', body: { count: 3 } });
    expect(first.status, first.text).toBe(201);
    expect(first.body).toMatchObject({ snapshot: 'snap_1' });
    expect(first.body.workspaces.map(({ name }) => name)).toEqual(['origin-f1', 'origin-f2', 'origin-f3']);
    expect(first.body.workspaces[0]).toMatchObject({
      head: 'snap_1',
      headOf: 'origin',
      content: 'present',
      source: { kind: 'fork', from: 'origin@snap_1' },
    });
    const again = await bench.ask<Forked>('POST', '/workspaces/origin/fork', { token, key: 'f', body: { count: 3 } });
    expect(again.body).toEqual(first.body);
    expect(await get('origin')).toEqual(before);
    const more = await bench.ask<Forked>('POST', '/workspaces/origin/fork', { token });
    expect(more.body.workspaces.map(({ name }) => name)).toEqual(['origin-f4']);
    const snapshot = await bench.store.getSnapshot('dev', { workspaceId: before.id, id: 'snap_1' });
    expect(snapshot?.pins).toHaveLength(4);
    expect(codeOf(await bench.ask('DELETE', '/workspaces/origin', { token }))).toBe('in_use');
  });

  it('of a live session is a checkpoint of it', async () => {
    const session = await bench.up(token, 'live');
    const answer = await bench.ask<Forked>('POST', '/workspaces/live/fork', { token, body: { names: ['twin'] } });
    expect(answer.status, answer.text).toBe(201);
    expect(answer.body).toMatchObject({ snapshot: 'snap_1', workspaces: [{ name: 'twin', headOf: 'live' }] });
    expect((await bench.ask('GET', `/sessions/${session.id}`, { token })).body).toMatchObject({ phase: 'ready', head: 'snap_1' });
    const twin = await bench.up(token, 'twin');
    await bench.down(token, twin.id);
    expect(await get('twin')).toMatchObject({ headOf: null, head: 'snap_1' });
    await bench.down(token, session.id);
  });

  it('of a live session whose disk can be copied does not wait for the checkpoint, and has it as its head later', async () => {
    const session = await bench.up(token, 'quick');
    const boxId = bench.compute.boxOf(session.id)?.id ?? '';
    bench.compute.write(boxId, 'a', '1');
    Object.assign(bench.compute, { copiesDisks: true });
    bench.compute.disks.plan = { looks: Number.POSITIVE_INFINITY, outcome: 'completed' };
    const ask = { token, key: 'copied', body: { count: 2 } };
    const answer = await bench.ask<Forked>('POST', '/workspaces/quick/fork', ask);
    expect(answer.status, answer.text).toBe(201);
    expect(answer.body.workspaces).toMatchObject([
      { name: 'quick-f1', head: null, unsaved: true },
      { name: 'quick-f2', head: null, unsaved: true },
    ]);
    expect((await bench.ask<Forked>('POST', '/workspaces/quick/fork', ask)).body).toEqual(answer.body);
    bench.compute.write(boxId, 'a', 'later');
    const first = await bench.up(token, 'quick-f1');
    const disks = [...bench.compute.disks.volumes.values()].filter(({ tags }) => tags.workspace.startsWith('quick-f'));
    expect(disks.map(({ disk }) => disk)).toEqual([{ a: '1' }, { a: '1' }]);
    expect(bench.compute.boxOf(first.id)?.volumeId).toBe(disks[0]?.id);
    const [snapshot] = [...bench.compute.disks.snapshots.values()].filter(({ tags }) => tags.workspace === 'quick');
    Object.assign(snapshot ?? {}, { looksLeft: 0 });
    await expect.poll(async () => (await get('quick')).head).toBe('snap_1');
    await bench.ask('POST', '/reap', { token, body: {} });
    for (const name of ['quick-f1', 'quick-f2']) expect(await get(name)).toMatchObject({ head: 'snap_1', headOf: 'quick' });
    expect(await get('quick-f2')).toMatchObject({ unsaved: false });
    bench.compute.disks.plan = { looks: 0, outcome: 'completed' };
    await bench.down(token, first.id);
    await bench.down(token, session.id);
    expect(bench.compute.violations).toEqual([]);
    Object.assign(bench.compute, { copiesDisks: false });
  });

  it('with a copy gets no other name than the copy has', async () => {
    const session = await bench.up(token, 'taken');
    Object.assign(bench.compute, { copiesDisks: true });
    const { createWorkspace } = bench.store;
    bench.store.createWorkspace = async (record) => {
      bench.store.createWorkspace = createWorkspace;
      await createWorkspace({ ...record, id: record.id.replace(/..$/, 'zz'), source: { kind: 'empty' }, volume: null, content: 'empty' });
      return createWorkspace(record);
    };
    const refused = await bench.ask('POST', '/workspaces/taken/fork', { token });
    expect(codeOf(refused)).toBe('conflict');
    expect((await bench.ask<Forked>('POST', '/workspaces/taken/fork', { token })).body.workspaces[0]?.name).toBe('taken-f2');
    Object.assign(bench.compute, { copiesDisks: false });
    await bench.down(token, session.id);
  });

  it('that cannot be made leaves nothing behind', async () => {
    await saved('limited');
    const { id } = await get('limited');
    const usage = await bench.store.getUsage('dev');
    const names = async () => (await bench.store.listWorkspaces('dev', { limit: 200, after: null })).items.map(({ name }) => name);
    const before = await names();
    const { quotas } = bench.deps;
    bench.deps.quotas = { ...quotas, workspaces: 20 };
    for (const body of [{ count: 20 }, { names: ['limited-a', 'limited'] }, { snapshot: 'snap_9' }])
      expect(['quota_exceeded', 'conflict', 'not_found']).toContain(
        codeOf(await bench.ask('POST', '/workspaces/limited/fork', { token, body })),
      );
    bench.deps.quotas = quotas;
    expect(await names()).toEqual(before);
    expect((await bench.store.getUsage('dev')).workspaces.sort()).toEqual(usage.workspaces.sort());
    expect((await bench.store.getSnapshot('dev', { workspaceId: id, id: 'snap_1' }))?.pins).toEqual([]);
  });

  it('is refused with names that do not fit', async () => {
    await saved('names');
    const fork = async (body: object) => codeOf(await bench.ask('POST', '/workspaces/names/fork', { token, body }));
    expect(await fork({ names: ['same', 'same'] })).toBe('invalid_request');
    expect(await fork({ names: ['a', 'b'], count: 3 })).toBe('invalid_request');
    const empty = await bench.ask('POST', '/sessions?wait=ready', { token, body: { workspace: 'x'.repeat(48) } });
    await bench.down(token, (empty.body as { id: string }).id);
    const long = await bench.ask<Forked>('POST', `/workspaces/${'x'.repeat(48)}/fork`, { token });
    expect(long.body.workspaces[0]?.name).toBe(`${'x'.repeat(45)}-f1`);
  });
});

describe('a fork that is repeated long after its first try', () => {
  const reap = () => bench.ask('POST', '/reap', { token, body: {} });
  const pinsOf = async (name: string) => (await bench.store.getSnapshot('dev', { workspaceId: (await get(name)).id, id: 'snap_1' }))?.pins;
  const fork = (name: string) => bench.ask<Forked>('POST', `/workspaces/${name}/fork`, { token, key: name, body: { snapshot: 'snap_1' } });

  /** Two snapshots, and a fork of the first one that its launcher died in so long ago that the reaper takes it for left over. */
  async function begun(name: string, keepLast: number): Promise<void> {
    await saved(name, 2);
    await bench.ask('PATCH', `/workspaces/${name}`, { token, body: { retention: { keepLast, keepDaily: 0 } } });
    const { createWorkspace } = bench.store;
    bench.store.createWorkspace = async () => {
      throw new StoreUnavailableError('no answer');
    };
    expect(codeOf(await fork(name))).toBe('unavailable');
    bench.store.createWorkspace = createWorkspace;
    bench.skewMs += bench.deps.limits.orphanGraceMs + 1000;
  }

  /** The reaper passes between the pin and the workspace: first it takes the pin away, then what nothing needs. */
  async function repeat(name: string) {
    const { createWorkspace } = bench.store;
    bench.store.createWorkspace = async (record) => {
      await reap();
      await reap();
      return createWorkspace(record);
    };
    const answer = await fork(name);
    bench.store.createWorkspace = createWorkspace;
    return answer;
  }

  it('holds its snapshot and its place in the quota all the same', async () => {
    await begun('late', 10);
    const { workspaces } = (await repeat('late')).body;
    expect(workspaces).toMatchObject([{ name: 'late-f1', head: 'snap_1' }]);
    expect(await pinsOf('late')).toEqual([workspaces[0]?.id]);
    expect((await bench.store.getUsage('dev')).workspaces).toContain(workspaces[0]?.id);
    await reap();
    expect(await pinsOf('late')).toEqual([workspaces[0]?.id]);
    await saved('late-f1');
  });

  it('leaves nothing behind when its snapshot was pruned meanwhile', async () => {
    await begun('pruned', 1);
    expect(codeOf(await repeat('pruned'))).toBe('not_found');
    expect(codeOf(await bench.ask('GET', '/workspaces/pruned-f1', { token }))).toBe('not_found');
    expect(codeOf(await fork('pruned'))).toBe('not_found');
    const kept = (await bench.store.listWorkspaces('dev', { limit: 200, after: null })).items.map(({ id }) => id);
    expect(kept).toEqual(expect.arrayContaining((await bench.store.getUsage('dev')).workspaces));
  });

  it('keeps the pin that a reaper with an old list takes away after it was done', async () => {
    await begun('overtaken', 10);
    const { unpinSnapshot } = bench.store;
    let forked: Promise<Awaited<ReturnType<typeof fork>>> | null = null;
    await bench.store.pinSnapshot('dev', { workspaceId: (await get('overtaken')).id, id: 'snap_1' }, await idOfBegun());
    bench.store.unpinSnapshot = async (...pin) => {
      bench.store.unpinSnapshot = unpinSnapshot;
      forked = fork('overtaken');
      await forked;
      await unpinSnapshot(...pin);
    };
    await reap();
    const { workspaces } = (await (forked as unknown as ReturnType<typeof fork>)).body;
    expect(await pinsOf('overtaken')).toEqual([workspaces[0]?.id]);
  });

  /** The id that the fork of `overtaken` is made under, from a pin that was left. */
  async function idOfBegun(): Promise<string> {
    const claim = await bench.store.claimIdempotency(
      { owner: 'dev', key: 'overtaken', bodyHash: '', resourceId: 'none', createdAt: 0, expiresAt: 0 },
      bench.deps.clock.now(),
    );
    return `${claim.resourceId.slice(0, -2)}00`;
  }
});

describe('restoring', () => {
  it('makes an earlier snapshot the head; numbers go on, newer ones stay, and a repeat with its key changes nothing', async () => {
    await saved('past', 3);
    const restore = (key: string) => bench.ask('POST', '/workspaces/past/restore', { token, key, body: { snapshot: 'snap_1' } });
    const answer = await restore('r1');
    expect(answer.status, answer.text).toBe(200);
    expect(answer.body).toMatchObject({ head: 'snap_1', unsaved: false });
    expect(await bench.store.getWorkspace('dev', 'past')).toMatchObject({ headSeq: 4, snapshotSeq: 4, volume: null });
    expect(codeOf(await bench.ask('DELETE', '/workspaces/past/snapshots/snap_1', { token }))).toBe('in_use');
    await saved('past');
    expect(await get('past')).toMatchObject({ head: 'snap_5' });
    expect((await restore('r1')).body).toMatchObject({ head: 'snap_5' });
    const page = await bench.ask<{ items: Array<{ id: string; parent: { id: string } | null }> }>('GET', '/workspaces/past/snapshots', {
      token,
    });
    expect(page.body.items.map(({ id, parent }) => `${id} ${parent?.id ?? ''}`)).toEqual([
      'snap_5 snap_1',
      'snap_3 snap_2',
      'snap_2 snap_1',
      'snap_1 ',
    ]);
    expect(codeOf(await bench.ask('POST', '/workspaces/past/restore', { token, body: { snapshot: 'snap_99' } }))).toBe('not_found');
    const session = await bench.up(token, 'past');
    expect(codeOf(await restore('r2'))).toBe('workspace_in_use');
    await bench.down(token, session.id);
  });

  it('is not taken for another restore, nor for a head that came in between', async () => {
    await saved('twice', 2);
    const restore = (key: string, snapshot: string) => bench.ask('POST', '/workspaces/twice/restore', { token, key, body: { snapshot } });
    // The launcher dies after the first has taken its number.
    const { pinSnapshot } = bench.store;
    bench.store.pinSnapshot = async () => {
      throw new StoreUnavailableError('no answer');
    };
    expect(codeOf(await restore('t1', 'snap_1'))).toBe('unavailable');
    bench.store.pinSnapshot = pinSnapshot;
    expect((await restore('t2', 'snap_2')).body).toMatchObject({ head: 'snap_2' });
    expect(codeOf(await restore('t1', 'snap_1'))).toBe('conflict');
    expect((await restore('t2', 'snap_2')).body).toMatchObject({ head: 'snap_2' });
    expect((await restore('t3', 'snap_1')).body).toMatchObject({ head: 'snap_1' });
  });

  it('to two states at once does one of them, and says so to the other', async () => {
    await saved('torn', 2);
    const restore = (snapshot: string) => bench.ask<Workspace>('POST', '/workspaces/torn/restore', { token, body: { snapshot } });
    const answers = await Promise.all(
      ['snap_1', 'snap_2', 'snap_1', 'snap_2'].map(async (snapshot) => ({ snapshot, answer: await restore(snapshot) })),
    );
    for (const { snapshot, answer } of answers) {
      if (answer.status === 200) expect(answer.body.head).toBe(snapshot);
      else expect(codeOf(answer)).toBe('conflict');
    }
    expect(answers.some(({ answer }) => answer.status === 200)).toBe(true);
  });
});

describe('restoring a workspace whose disk is damaged', () => {
  const restore = (name: string, body: object) =>
    bench.ask('POST', `/workspaces/${name}/restore`, { token, body: { snapshot: 'snap_1', ...body } });
  const upCode = async (name: string) => codeOf(await bench.ask('POST', '/sessions?wait=ready', { token, body: { workspace: name } }));
  const later = async () => {
    bench.skewMs += bench.deps.limits.orphanGraceMs + 1000;
    return (await bench.ask<{ items: object[] }>('POST', '/reap', { token, body: {} })).body.items;
  };
  /** A box that comes up and finds its disk damaged. @returns the volume */
  async function foundDamaged(name: string): Promise<string> {
    const session = await bench.up(token, name);
    const failure = { code: 'workspace_quarantined' as const, detail: 'bad blocks' };
    await bench.beat({ owner: 'dev', id: session.id }, 1, { contentPresent: true, failure });
    await until(async () => (await get(name)).session === null, 'the session is given up');
    return (await bench.store.getWorkspace('dev', name))?.volume?.id ?? '';
  }

  it('gives up what is on that disk on the word force alone', async () => {
    await saved('broken');
    const volumeId = await foundDamaged('broken');
    expect(await upCode('broken')).toBe('workspace_quarantined');
    const refused = await restore('broken', {});
    expect(refused.body).toMatchObject({
      code: 'unsaved_work',
      detail: 'the disk of workspace broken is damaged (bad blocks); everything since snap_1 is on that disk alone, and would be lost',
      hint: 'give it up with devctl restore broken snap_1 --force',
    });
    expect(codeOf(await bench.ask('POST', '/workspaces/broken/fork', { token }))).toBe('unsaved_work');
    expect(codeOf(await restore('broken', { force: true, snapshot: 'snap_7' }))).toBe('not_found');
    expect(JSON.stringify(await later())).not.toContain(volumeId);
    expect(bench.compute.disks.volumes.has(volumeId)).toBe(true);
    const restored = await restore('broken', { force: true });
    expect(restored.body, restored.text).toMatchObject({ head: 'snap_1', quarantined: null, unsaved: false });
    expect(bench.lines.some((line) => line.includes('workspace.volume_given_up') && line.includes(volumeId))).toBe(true);
    expect(await later()).toContainEqual(expect.objectContaining({ kind: 'volume', id: volumeId, action: 'removed' }));
    await saved('broken');
  });

  it('is possible for a fork that has no snapshot of its own: to the one that it began with', async () => {
    await saved('stem');
    expect((await bench.ask('POST', '/workspaces/stem/fork', { token, body: { names: ['leaf'] } })).status).toBe(201);
    await foundDamaged('leaf');
    expect((await restore('leaf', { force: true })).body).toMatchObject({ head: 'snap_1', headOf: 'stem', quarantined: null });
    const { id } = await get('stem');
    expect((await bench.store.getSnapshot('dev', { workspaceId: id, id: 'snap_1' }))?.pins).toEqual([(await get('leaf')).id]);
    await saved('leaf');
  });

  it('counts a disk that is not there any more as damaged', async () => {
    await saved('vanished');
    const workspace = await bench.store.getWorkspace('dev', 'vanished');
    bench.compute.disks.volumes.delete(workspace?.volume?.id ?? '');
    expect(await upCode('vanished')).toBe('workspace_quarantined');
    expect((await restore('vanished', {})).body).toMatchObject({
      code: 'unsaved_work',
      detail: expect.stringContaining('there is no volume'),
    });
    expect((await restore('vanished', { force: true })).status).toBe(200);
    await saved('vanished');
  });

  it('loosens nothing else: a disk that is whole keeps its work, force or not', async () => {
    await saved('whole');
    await changeWorkspace(bench.deps, 'dev', 'whole', (workspace) => ({
      ...workspace,
      volume: workspace.volume && { ...workspace.volume, epoch: workspace.volume.epoch + 1 },
    }));
    for (const force of [true, false])
      expect((await restore('whole', { force })).body).toMatchObject({
        code: 'unsaved_work',
        hint: expect.stringContaining('run devctl up'),
      });
    const session = await bench.up(token, 'whole');
    expect(codeOf(await restore('whole', { force: true }))).toBe('workspace_in_use');
    await bench.down(token, session.id);
  });

  it('that has no snapshot says how to let it go', async () => {
    await foundDamaged('stillborn');
    const again = await bench.ask('POST', '/sessions', { token, body: { workspace: 'stillborn' } });
    expect(again.body).toMatchObject({ hint: 'it has no snapshot to go back to: devctl workspace delete stillborn --force removes it' });
    expect(codeOf(await bench.ask('DELETE', '/workspaces/stillborn', { token }))).toBe('unsaved_work');
    expect((await bench.ask('DELETE', '/workspaces/stillborn?force=true', { token })).status).toBe(204);
  });
});

describe('snapshots', () => {
  it('are deleted one by one and by retention, never the head nor what a fork needs', async () => {
    await saved('many', 4);
    const snapshots = '/workspaces/many/snapshots';
    expect(codeOf(await bench.ask('DELETE', `${snapshots}/snap_4`, { token }))).toBe('in_use');
    expect((await bench.ask('POST', '/workspaces/many/fork', { token, body: { snapshot: 'snap_1' } })).status).toBe(201);
    expect(codeOf(await bench.ask('DELETE', `${snapshots}/snap_1`, { token }))).toBe('in_use');
    expect((await bench.ask('DELETE', `${snapshots}/snap_2`, { token })).status).toBe(204);
    expect(codeOf(await bench.ask('DELETE', `${snapshots}/snap_2`, { token }))).toBe('not_found');
    expect(codeOf(await bench.ask('POST', '/workspaces/many/fork', { token, body: { snapshot: 'snap_2' } }))).toBe('not_found');
    await bench.ask('PATCH', '/workspaces/many', { token, body: { retention: { keepLast: 1, keepDaily: 0 } } });
    const prune = (dryRun: boolean) => bench.ask('POST', '/workspaces/many/prune', { token, body: { dryRun } });
    expect((await prune(true)).body).toEqual({ removed: ['snap_3'], kept: 2 });
    expect((await prune(false)).body).toEqual({ removed: ['snap_3'], kept: 2 });
    expect((await prune(false)).body).toEqual({ removed: [], kept: 2 });
  });
});
