import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, utimesSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { BoxRef, LaunchRequest, SnapshotRequest } from '../../launcher/ports/compute.ts';
import { buildVictim } from './build-victim.ts';
import {
  AGENT_BUNDLE,
  type Bench,
  eventually,
  launchReady,
  launchRequest,
  newId,
  openBench,
  shell,
  startExec,
  TEST_LIMITS,
} from './local-harness.ts';
import type { VictimTask } from './victim.ts';

let folder: string;
let victim: string;
let bench: Bench;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'devctl-victim-'));
  victim = await buildVictim(folder);
  bench = await openBench();
});
afterAll(async () => {
  await bench?.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Starts another launcher on the same state, and waits until it has begun its task. */
async function startVictim(task: Pick<VictimTask, 'launch' | 'snapshot'> & { freezeMs?: number }): Promise<ChildProcess> {
  const whole: VictimTask = { stateDir: bench.stateDir, agentBundlePath: AGENT_BUNDLE, limits: TEST_LIMITS, freezeMs: 60_000, ...task };
  const child = spawn(process.execPath, [victim, JSON.stringify(whole)], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(child.stdout, 'data');
  return child;
}

async function murder(child: ChildProcess): Promise<void> {
  child.kill('SIGKILL');
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
}

/** Sandboxes of a box, by the kernel's own list of processes: those of its programs that are nobody's child among them. */
function sandboxesOf(boxId: string): number {
  const parents = new Map<string, string>();
  for (const name of readdirSync('/proc')) {
    try {
      const args = readFileSync(`/proc/${name}/cmdline`, 'utf8');
      const [, state, parent] = /\) (\S) (\d+)/.exec(readFileSync(`/proc/${name}/stat`, 'utf8')) ?? [];
      if (/bwrap|unshare/.test(args) && args.includes(`/boxes/${boxId}/`) && state !== 'Z') parents.set(name, parent as string);
    } catch {
      // Not a process, or gone meanwhile.
    }
  }
  return [...parents.values()].filter((parent) => !parents.has(parent)).length;
}

const refOf = (request: LaunchRequest, boxId: string): BoxRef => ({
  boxId,
  sessionId: request.tags.sessionId,
  generation: request.tags.generation,
});

describe('a launcher that is killed while it launches', () => {
  it.each([0, 4, 8, 12, 16, 24, 40])('after %i ms, is repeated by the next one: one box, that works', async (delayMs) => {
    const request = launchRequest();
    bench.launcher.tokens.set(request.tags.sessionId, request.boxToken);
    const child = await startVictim({ launch: request });
    await sleep(delayMs);
    await murder(child);
    const provider = await bench.again();
    await provider.launch(request);
    const mine = (await provider.list()).items.filter((item) => item.tags?.operationId === request.tags.operationId);
    // Killed between the start and the handing over of the token, the box has ended by itself: never two, never half of one.
    const boxes = mine.filter((item) => item.kind === 'box');
    expect(boxes.length).toBeLessThanOrEqual(1);
    for (const { id } of boxes) {
      const box = refOf(request, id);
      expect(sandboxesOf(id)).toBeLessThanOrEqual(1);
      // Either it registers with this launcher, or it is gone: it never lingers.
      await Promise.race([bench.launcher.ready(box), eventually(async () => (await provider.observe(box)) === 'gone')]);
      if ((await provider.observe(box)) === 'running') expect(await shell(provider, box, 'echo works')).toBe('works');
      await provider.end(box);
      expect(sandboxesOf(id)).toBe(0);
    }
    await provider.stop();
  });
});

describe('a launcher that is killed while boxes run', () => {
  it('finds them again with the next one, and ends them with all they have', async () => {
    const request = launchRequest();
    bench.launcher.tokens.set(request.tags.sessionId, request.boxToken);
    const child = await startVictim({ launch: request });
    await once(child.stdout as NodeJS.ReadableStream, 'data');
    await murder(child);
    const provider = await bench.again();
    const { boxId } = await provider.launch(request);
    const box = refOf(request, boxId);
    await bench.launcher.ready(box);
    expect(await shell(provider, box, 'echo still here')).toBe('still here');
    await provider.stop();
    const third = await bench.again();
    // Its heartbeats come to whoever listens now.
    await bench.launcher.beat(boxId, () => true);
    await third.end(box);
    expect(sandboxesOf(boxId)).toBe(0);
    expect(await third.observe(box)).toBe('gone');
    await third.stop();
  });
});

describe('a launch after a power cut', () => {
  it('begins anew where the files of a box were emptied by it, on the same volume', async () => {
    const request = launchRequest();
    bench.launcher.tokens.set(request.tags.sessionId, request.boxToken);
    const { boxId, volumeId } = await bench.provider.launch(request);
    const box = refOf(request, boxId);
    await bench.launcher.ready(box);
    await shell(bench.provider, box, 'echo kept > /workspace/src/note && sync');
    await bench.provider.end(box);
    await bench.provider.stop();
    const folder = join(bench.stateDir, 'boxes', boxId);
    for (const name of ['meta.json', 'inner', 'outer']) truncateSync(join(folder, name));
    rmSync(join(folder, 'ended'));
    const provider = await bench.again();
    expect(await provider.launch(request)).toMatchObject({ boxId, volumeId });
    expect(await bench.launcher.beat(boxId, () => true)).toBeDefined();
    expect(await shell(provider, box, 'cat /workspace/src/note')).toBe('kept');
    await provider.end(box);
    await provider.stop();
    await bench.provider.start();
  });
});

describe('a box that dies by itself', () => {
  const firstProcess = (boxId: string): number =>
    JSON.parse(readFileSync(join(bench.stateDir, 'boxes', boxId, 'inner'), 'utf8')).inner.pid as number;

  it('is told of at once by the launcher that started it, and named to who asks for it', async () => {
    const gone: BoxRef[] = [];
    const provider = await bench.again({ onBoxGone: (box) => gone.push(box) });
    const { box, boxId } = await launchReady({ ...bench, provider });
    process.kill(firstProcess(boxId), 'SIGKILL');
    await eventually(() => gone.length > 0);
    expect(gone[0]).toEqual(box);
    await expect(provider.exec(box)).rejects.toMatchObject({
      kind: 'unreachable',
      message: expect.stringContaining('all its processes have ended'),
    });
    await provider.stop();
  });

  it('is told of by a launcher that has only adopted it, too', async () => {
    const { box, boxId } = await launchReady(bench);
    const gone: BoxRef[] = [];
    const provider = await bench.again({ onBoxGone: (lost) => gone.push(lost) });
    process.kill(firstProcess(boxId), 'SIGKILL');
    await eventually(() => gone.length > 0);
    expect(gone).toEqual([box]);
    await provider.stop();
  });
});

describe('a box whose agent is frozen', () => {
  it('is not waited for without end', async () => {
    const { box } = await launchReady(bench);
    const provider = await bench.again({ answerTimeoutMs: 300 });
    await startExec(bench.provider, box, { argv: ['sh', '-c', 'kill -STOP $PPID'] });
    const refusal = () =>
      provider.exec(box).then(
        (stream) => void stream.destroy(),
        (error: unknown) => error,
      );
    await eventually(async () => (await refusal()) !== undefined);
    expect(await refusal()).toMatchObject({ kind: 'unreachable', message: expect.stringContaining('has not answered for 0.3 s') });
    await expect(provider.poke(box)).resolves.toBeUndefined();
    expect(await provider.observe(box)).toBe('running');
    await provider.end(box);
    await provider.stop();
  });
});

describe('a launcher that starts', () => {
  it('is not kept from it by a box that has blocked the place of its socket', async () => {
    const [hostile, other] = [await launchReady(bench), await launchReady(bench)];
    await bench.provider.stop();
    // As one of plain processes may, which nothing keeps out of there.
    const place = join(bench.stateDir, 'boxes', hostile.boxId, 'run/launcher.sock');
    rmSync(place, { force: true });
    mkdirSync(join(place, 'full'), { recursive: true });
    await bench.provider.start();
    await bench.launcher.beat(other.boxId, () => true);
    expect(await bench.provider.observe(hostile.box)).toBe('running');
  });

  it('forgets the files of boxes that have been gone for a week, and of no other', async () => {
    const [old, recent, live] = [await launchReady(bench), await launchReady(bench), await launchReady(bench)];
    for (const { box } of [old, recent]) await bench.provider.end(box);
    const folder = (boxId: string) => join(bench.stateDir, 'boxes', boxId);
    const longAgo = Date.now() / 1000 - 8 * 24 * 3600;
    utimesSync(join(folder(old.boxId), 'ended'), longAgo, longAgo);
    await bench.provider.start();
    expect([old, recent, live].map(({ boxId }) => existsSync(folder(boxId)))).toEqual([false, true, true]);
  });

  it('forgets what is left of launches that never started a box, and empty folders of snapshots', async () => {
    const local = (path: string) => join(bench.stateDir, path);
    const [old, recent] = [local('boxes/box_00000000000000a1'), local('boxes/box_00000000000000a2')];
    const [empty, full] = [local(`snapshots/${newId('ws')}`), local(`snapshots/${newId('ws')}`)];
    for (const folder of [join(old, 'files'), recent, join(empty, '.trash-snap_1-00'), join(full, 'snap_1')])
      mkdirSync(folder, { recursive: true });
    const longAgo = Date.now() / 1000 - 8 * 24 * 3600;
    utimesSync(old, longAgo, longAgo);
    await bench.provider.start();
    expect([old, recent, empty, full].map((folder) => existsSync(folder))).toEqual([false, true, false, true]);
    rmSync(full, { recursive: true });
  });
});

describe('the last snapshot of a workspace', () => {
  it('takes its folder with it, and the next one makes it again', async () => {
    const launched = await launchReady(bench);
    const { workspaceId } = launched.request.tags;
    const take = (id: string) =>
      bench.provider.snapshot({
        tags: { ...launched.request.tags, operationId: `take-${id}` },
        ref: { workspaceId, id },
        volumeId: launched.volumeId,
        liveBox: launched.box,
        parent: null,
      });
    const folder = join(bench.stateDir, 'snapshots', workspaceId);
    for (const id of ['snap_1', 'snap_2']) await take(id);
    await bench.provider.dropSnapshot({ workspaceId, id: 'snap_1' });
    expect(existsSync(folder)).toBe(true);
    await bench.provider.dropSnapshot({ workspaceId, id: 'snap_2' });
    expect(existsSync(folder)).toBe(false);
    expect(await take('snap_3')).toMatchObject({ state: 'completed' });
    await bench.provider.end(launched.box);
  });
});

describe('a snapshot', () => {
  const fill = 'cd /workspace/src && seq 1 40000 | split -l 10 -a 4 - f && head -c 60000000 /dev/zero > big';
  const request = (launched: { request: LaunchRequest; volumeId: string; box: BoxRef }, live: boolean): SnapshotRequest => ({
    tags: { ...launched.request.tags, operationId: `crash-${launched.volumeId}` },
    ref: { workspaceId: launched.request.tags.workspaceId, id: 'snap_1' },
    volumeId: launched.volumeId,
    liveBox: live ? launched.box : null,
    parent: null,
  });
  const partials = (workspaceId: string) => {
    const parent = join(bench.stateDir, 'snapshots', workspaceId);
    return existsSync(parent) ? readdirSync(parent).filter((name) => name.startsWith('.partial-')) : [];
  };

  it('whose launcher is killed in the middle leaves nothing that could be restored, and its box goes on', async () => {
    const launched = await launchReady(bench);
    await shell(bench.provider, launched.box, fill);
    const snapshot = request(launched, true);
    const { workspaceId } = snapshot.ref;
    const child = await startVictim({ snapshot, freezeMs: 1_500 });
    await eventually(() => partials(workspaceId).length > 0);
    await murder(child);
    expect(await bench.provider.observeSnapshot(snapshot.ref)).toMatchObject({ state: 'absent' });
    const restore = launchRequest({ source: { kind: 'snapshot', snapshot: snapshot.ref } });
    await expect(bench.provider.launch(restore)).rejects.toMatchObject({ kind: 'missing' });
    // Frozen by a launcher that is dead, it thaws by itself: until then the command waits.
    expect(await shell(bench.provider, launched.box, 'echo thawed')).toBe('thawed');
    const provider = await bench.again();
    expect(partials(workspaceId)).toEqual([]);
    expect(await provider.snapshot(snapshot)).toMatchObject({ state: 'completed' });
    await provider.stop();
    await bench.provider.end(launched.box);
  });

  it('of a box that thawed before the copy was whole is thrown away', async () => {
    const launched = await launchReady(bench);
    await shell(bench.provider, launched.box, fill);
    const hasty = await bench.again({ freezeMs: 1 });
    await expect(hasty.snapshot(request(launched, true))).rejects.toMatchObject({ kind: 'transient' });
    expect(await hasty.observeSnapshot(request(launched, true).ref)).toMatchObject({ state: 'absent' });
    expect(partials(launched.request.tags.workspaceId)).toEqual([]);
    await hasty.stop();
    await bench.provider.end(launched.box);
  });

  it('of a live box that does not answer is not made', async () => {
    const launched = await launchReady(bench);
    await shell(bench.provider, launched.box, 'rm /run/devctl/agent/agent.sock');
    await expect(bench.provider.snapshot(request(launched, true))).rejects.toMatchObject({ kind: 'unreachable' });
    expect(await bench.provider.observeSnapshot(request(launched, true).ref)).toMatchObject({ state: 'absent' });
    await bench.provider.end(launched.box);
  });
});
