import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Orders } from '../../launcher/contract/box.ts';
import type { SnapshotRef } from '../../launcher/contract/records.ts';
import type { AccessPort } from '../../launcher/ports/access.ts';
import type { BoxRef, ComputePort, LaunchRequest, LaunchResult } from '../../launcher/ports/compute.ts';
import type { LaunchPatch } from '../support/launch-request.ts';

/** An implementation of the ports with what the suite needs around it. */
export interface ComputeSubject {
  ports: ComputePort & AccessPort;
  /** A request for a new workspace and session, unless the patch says something else; its token is known to the launcher. */
  request(patch?: LaunchPatch): LaunchRequest;
  /** Waits until the box has reported `ready`. */
  ready(box: BoxRef): Promise<unknown>;
  /** Sets what the launcher answers to the box from now on. */
  order(box: BoxRef, orders: Partial<Orders>): void;
  /** Writes a line into a file of the workspace, to be found there also when the box is ended at once. */
  write(box: BoxRef, path: string, line: string): Promise<void>;
  /** The line that is in a file of the workspace. */
  read(box: BoxRef, path: string): Promise<string>;
  /** Output of a shell line that must succeed. */
  shell(box: BoxRef, line: string): Promise<string>;
  /** Lets time go by between the steps of a launch. */
  pause(ms: number): Promise<void>;
  close(): Promise<void>;
}

interface LaunchedBox extends LaunchResult {
  box: BoxRef;
  request: LaunchRequest;
}

/**
 * What every provider of boxes must do.
 * @param excused what cannot be asked of this one, and why: named in the output, and no test of its run
 */
export function computeSuite(
  name: string,
  open: () => Promise<ComputeSubject>,
  excused: Array<{ reason: string; tests: string[] }> = [],
): void {
  const asked = new Set<string>();
  const run = (title: string, body: () => Promise<void>) => {
    asked.add(title);
    const reason = excused.find((entry) => entry.tests.includes(title))?.reason;
    if (reason) console.log(`not asked of ${name}: ${title} (${reason})`);
    else it(title, body);
  };

  describe(`compute port: ${name}`, () => {
    let subject: ComputeSubject;
    let ports: ComputeSubject['ports'];
    beforeAll(async () => {
      subject = await open();
      ports = subject.ports;
    });
    afterAll(() => subject?.close());

    it('is excused from nothing that is not asked', () => {
      expect(excused.flatMap(({ tests }) => tests).filter((title) => !asked.has(title))).toEqual([]);
    });

    const refOf = (request: LaunchRequest, { boxId }: LaunchResult): BoxRef => ({
      boxId,
      sessionId: request.tags.sessionId,
      generation: request.tags.generation,
    });
    /** As the controller does it: each step with what the one before asked to be kept. */
    const bring = async (request: LaunchRequest): Promise<LaunchResult> => {
      let { providerState } = request;
      for (;;) {
        const result = await ports.launch({ ...request, providerState });
        if (!result.underway) return result;
        providerState = result.providerState;
        await subject.pause(result.retryAfterMs);
      }
    };
    const launch = async (patch: LaunchPatch = {}): Promise<LaunchedBox> => {
      const request = subject.request(patch);
      const result = await bring(request);
      const box = refOf(request, result);
      await subject.ready(box);
      return { ...result, box, request };
    };
    /** A volume of a box that has just ended may be busy for a while. */
    const dropVolume = async (volumeId: string): Promise<void> => {
      for (;;) {
        const refused = await ports.dropVolume(volumeId).then(
          () => null,
          (error: { kind?: string }) => error,
        );
        if (refused === null) return;
        if (refused.kind !== 'busy') throw refused;
        await subject.pause(500);
      }
    };
    let operations = 0;
    const operation = () => {
      operations += 1;
      return `suite-${process.pid}-${operations}`;
    };
    /** Quiesces, snapshots and ends a box, as `down` does. */
    const down = async ({ box, request, volumeId }: LaunchedBox, id = 'snap_1'): Promise<SnapshotRef> => {
      await ports.quiesce(box, operation());
      const ref = { workspaceId: request.tags.workspaceId, id };
      const tags = { ...request.tags, operationId: operation() };
      const status = await ports.snapshot({ tags, ref, volumeId, liveBox: null, parent: null });
      expect(['pending', 'completed']).toContain(status.state);
      await ports.end(box);
      return ref;
    };

    run('a launched box runs, and ending it is final and repeatable', async () => {
      const launched = await launch();
      expect(launched.description).toMatch(/\w · \w/);
      expect(await ports.observe(launched.box)).toBe('running');
      await ports.end(launched.box);
      expect(await ports.observe(launched.box)).toBe('gone');
      await ports.end(launched.box);
      await dropVolume(launched.volumeId);
      await dropVolume(launched.volumeId);
    });

    run('a parked box runs no more, and goes on in the next generation with its disk', async () => {
      const first = await launch({ policy: 'on-demand' });
      await subject.write(first.box, 'src/file', 'kept');
      await ports.quiesce(first.box, operation());
      let state = await ports.observe(first.box);
      while (state !== 'parked' && state !== 'gone') {
        await ports.park(first.box);
        await subject.pause(500);
        state = await ports.observe(first.box);
      }
      await ports.park(first.box);
      const { workspaceId, sessionId, generation } = first.request.tags;
      const source = { kind: 'volume', volumeId: first.volumeId, saved: null } as const;
      const tags = { workspaceId, sessionId, generation: generation + 1, operationId: operation() };
      const next = await launch({ source, tags, parked: state === 'parked' ? first.box : null });
      expect(next.volumeId).toBe(first.volumeId);
      expect(await subject.read(next.box, 'src/file')).toBe('kept');
      // What still comes from before does nothing to it.
      await ports.park(first.box);
      await ports.end(first.box);
      expect([await ports.observe(first.box), await ports.observe(next.box)]).toEqual(['gone', 'running']);
      await ports.end(next.box);
    });

    run('a box that is not there is gone, and can be ended', async () => {
      const nowhere = { boxId: 'box_0123456789abcdef', sessionId: subject.request().tags.sessionId, generation: 1 };
      expect(await ports.observe(nowhere)).toBe('gone');
      await ports.end(nowhere);
      expect(await ports.observe({ ...nowhere, boxId: '../../etc' })).toBe('gone');
    });

    run('the same launch, repeated or at the same time, makes one box', async () => {
      const request = subject.request();
      const [first, second] = await Promise.all([bring(request), bring(request)]);
      const third = await bring(request);
      expect(second).toEqual(first);
      expect(third).toEqual(first);
      const mine = (await ports.list()).items.filter((item) => item.tags?.operationId === request.tags.operationId);
      expect(mine.map((item) => item.kind).sort()).toEqual(['box', 'volume']);
      await ports.end(refOf(request, first));
      // Over is over: the operation has had its box.
      expect(await bring(request)).toEqual(first);
      expect(await ports.observe(refOf(request, first))).toBe('gone');
    });

    run('an earlier generation can neither see nor end a box', async () => {
      const { box } = await launch({ tags: { generation: 2 } });
      const stale = { ...box, generation: 1 };
      expect(await ports.observe(stale)).toBe('gone');
      await ports.end(stale);
      expect(await ports.observe(box)).toBe('running');
      await ports.end(box);
    });

    run('a volume has one box at a time, and keeps its content', async () => {
      const first = await launch();
      await subject.write(first.box, 'src/file', 'kept');
      await subject.write(first.box, 'home/.history', 'history');
      const again: LaunchPatch = {
        source: { kind: 'volume', volumeId: first.volumeId, saved: null },
        tags: { sessionId: first.request.tags.sessionId, workspaceId: first.request.tags.workspaceId, generation: 2 },
      };
      await expect(bring(subject.request(again))).rejects.toMatchObject({ kind: 'busy' });
      await expect(ports.dropVolume(first.volumeId)).rejects.toMatchObject({ kind: 'busy' });
      await ports.end(first.box);
      const second = await launch(again);
      expect(second.volumeId).toBe(first.volumeId);
      expect(await subject.read(second.box, 'src/file')).toBe('kept');
      expect(await subject.read(second.box, 'home/.history')).toBe('history');
      await ports.end(second.box);
    });

    run('a snapshot gives back every byte, name, mode and link', async () => {
      const first = await launch();
      await subject.shell(
        first.box,
        `cd /workspace/src && mkdir -p deep/er && head -c 100000 /dev/urandom > deep/er/random && ln -s er/random deep/link &&
         ln deep/er/random hard && truncate -s 50M sparse && install -m 0751 /dev/null program && mkdir -m 0500 closed && touch 'a name
         with a line feed' && mkfifo pipe`,
      );
      const look =
        "cd /workspace/src && find . -printf '%p %y %m %n %s %l\\n' | sort | sha256sum && cat deep/er/random | sha256sum && du -k sparse";
      const before = await subject.shell(first.box, look);
      const ref = await down(first);
      const status = await ports.observeSnapshot(ref);
      expect(status).toMatchObject({ state: 'completed' });
      expect(status.files).toBeGreaterThanOrEqual(5);
      expect(status.bytes).toBeGreaterThan(50 * 1024 ** 2);
      await dropVolume(first.volumeId);
      const second = await launch({ source: { kind: 'snapshot', snapshot: ref }, tags: { workspaceId: ref.workspaceId } });
      expect(await subject.shell(second.box, look)).toBe(before);
      await ports.end(second.box);
    });

    run('the canary of the report is in what is restored', async () => {
      const first = await launch();
      const { canary } = await ports.quiesce(first.box, operation());
      const ref = { workspaceId: first.request.tags.workspaceId, id: 'snap_1' };
      const tags = { ...first.request.tags, operationId: operation() };
      await ports.snapshot({ tags, ref, volumeId: first.volumeId, liveBox: null, parent: null });
      await ports.end(first.box);
      const second = await launch({ source: { kind: 'snapshot', snapshot: ref } });
      expect(await subject.shell(second.box, `sha256sum < /workspace/${canary?.path}`)).toContain(canary?.sha256);
      await ports.end(second.box);
    });

    run('the same snapshot twice is one, and its name is never given to another', async () => {
      const launched = await launch();
      await ports.quiesce(launched.box, operation());
      const ref = { workspaceId: launched.request.tags.workspaceId, id: 'snap_7' };
      const tags = { ...launched.request.tags, operationId: operation() };
      const request = { tags, ref, volumeId: launched.volumeId, liveBox: null, parent: null };
      const [first, second] = await Promise.all([ports.snapshot(request), ports.snapshot(request)]);
      expect(second).toEqual(first);
      expect(await ports.snapshot(request)).toEqual(first);
      await expect(ports.snapshot({ ...request, tags: { ...tags, operationId: operation() } })).rejects.toMatchObject({ kind: 'fatal' });
      await ports.end(launched.box);
      await ports.dropSnapshot(ref);
      await ports.dropSnapshot(ref);
      expect(await ports.observeSnapshot(ref)).toMatchObject({ state: 'absent' });
    });

    run('what is not there is missing', async () => {
      const { tags } = subject.request();
      const snapshot = { workspaceId: tags.workspaceId, id: 'snap_1' };
      const source = { kind: 'snapshot', snapshot } as const;
      await expect(bring(subject.request({ source }))).rejects.toMatchObject({ kind: 'missing' });
      const volume = { kind: 'volume', volumeId: 'vol_0123456789abcdef', saved: null } as const;
      await expect(bring(subject.request({ source: volume }))).rejects.toMatchObject({ kind: 'missing' });
      const request = { tags, ref: snapshot, volumeId: volume.volumeId, liveBox: null, parent: null };
      await expect(ports.snapshot(request)).rejects.toMatchObject({ kind: 'missing' });
    });

    run('a live box stands still while it is copied, and goes on', async () => {
      const launched = await launch();
      // Two files that only a copy in the middle of the loop could show more than one apart.
      await subject.shell(
        launched.box,
        `cd /workspace/src && (for ((i = 1; ; i++)); do echo $i > first.tmp; mv first.tmp first; head -c 200000 /dev/zero > ballast.$((i % 20)); echo $i > second.tmp; mv second.tmp second; done) > /dev/null 2>&1 &
         while [ ! -s /workspace/src/second ]; do sleep 0.01; done`,
      );
      const ref = { workspaceId: launched.request.tags.workspaceId, id: 'snap_1' };
      const tags = { ...launched.request.tags, operationId: operation() };
      const status = await ports.snapshot({ tags, ref, volumeId: launched.volumeId, liveBox: launched.box, parent: null });
      expect(status.state).toBe('completed');
      const second = Number(await subject.shell(launched.box, 'cat /workspace/src/second'));
      await subject.shell(launched.box, `while [ "$(cat /workspace/src/second)" -le ${second} ]; do sleep 0.01; done`);
      await ports.end(launched.box);
      const copy = await launch({ source: { kind: 'snapshot', snapshot: ref } });
      const [a, b] = (await subject.shell(copy.box, 'cd /workspace/src && cat first second')).split('\n').map(Number) as [number, number];
      expect(a - b).toBeGreaterThanOrEqual(0);
      expect(a - b).toBeLessThanOrEqual(1);
      await ports.end(copy.box);
    });

    run('a disk that is copied with its snapshot is another one, with what was there in that moment', async () => {
      const launched = await launch();
      await subject.ready(launched.box);
      await subject.write(launched.box, 'src/file', 'before');
      const { tags } = subject.request();
      const copies = [{ ...tags, sessionId: null, generation: null, operationId: operation() }];
      const ref = { workspaceId: launched.request.tags.workspaceId, id: 'snap_1' };
      const own = { ...launched.request.tags, operationId: operation() };
      const request = { tags: own, ref, volumeId: launched.volumeId, liveBox: launched.box, parent: null, copies };
      const { copies: made = [] } = await ports.snapshot(request);
      expect((await ports.snapshot(request)).copies ?? []).toEqual(made);
      await subject.write(launched.box, 'src/file', 'after');
      // Where disks are not copied there is nothing more to ask: forks begin with the snapshot.
      for (const { workspaceId, volumeId } of made) {
        expect(volumeId).not.toBe(launched.volumeId);
        const source = { kind: 'volume', volumeId, saved: null } as const;
        const fork = await launch({ source, tags: { workspaceId } });
        expect(await subject.read(fork.box, 'src/file')).toBe('before');
        await ports.end(fork.box);
      }
      await ports.end(launched.box);
    });

    run('boxes made from one snapshot do not know of each other', async () => {
      const source = await launch();
      await subject.write(source.box, 'src/file', 'base');
      const ref = await down(source);
      const forks = await Promise.all(['one', 'two'].map(() => launch({ source: { kind: 'snapshot', snapshot: ref } })));
      for (const fork of forks) expect(await subject.read(fork.box, 'src/file')).toBe('base');
      for (const [index, fork] of forks.entries()) await subject.write(fork.box, 'src/file', `fork ${index}`);
      // Deleting what they were made from takes nothing from them.
      await ports.dropSnapshot(ref);
      await dropVolume(source.volumeId);
      for (const [index, fork] of forks.entries()) {
        expect(await subject.read(fork.box, 'src/file')).toBe(`fork ${index}`);
        await ports.end(fork.box);
      }
    });

    run('a quiet box writes nothing, takes no commands, and opens again when it is told', async () => {
      const { box } = await launch();
      await subject.shell(box, '(while :; do date +%s%N > /workspace/src/clock; done) > /dev/null 2>&1 &');
      subject.order(box, { state: 'hold' });
      const id = operation();
      const report = await ports.quiesce(box, id);
      expect(report.stoppedProcesses.length + report.killedProcesses.length).toBeGreaterThan(0);
      expect(await ports.quiesce(box, id)).toEqual(report);
      await expect(subject.shell(box, 'true')).rejects.toThrow(/wrong_phase/);
      subject.order(box, { state: 'work' });
      await ports.poke(box);
      await subject.ready(box);
      const clock = await subject.shell(box, 'cat /workspace/src/clock; pgrep -c bash || true');
      expect(clock.split('\n')[0]).toMatch(/^\d+$/);
      await ports.end(box);
    });

    run('everything is listed with its tags, and what is over is not', async () => {
      const launched = await launch();
      const ref = await down(launched);
      const live = await launch({ source: { kind: 'volume', volumeId: launched.volumeId, saved: null } });
      const { items, complete } = await ports.list();
      expect(complete).toBe(true);
      const mine = await ports.list({ sessionId: live.request.tags.sessionId });
      expect(mine.items.map(({ kind, id }) => [kind, id])).toEqual([['box', live.boxId]]);
      const find = (kind: string, id: string) => items.find((item) => item.kind === kind && item.id === id);
      expect(find('box', launched.boxId)).toBeUndefined();
      expect(find('box', live.boxId)?.tags).toEqual(live.request.tags);
      expect(find('volume', launched.volumeId)?.tags).toEqual(launched.request.tags);
      expect(find('snapshot', `${ref.workspaceId}/${ref.id}`)?.tags).toMatchObject({ owner: 'dev', workspaceId: ref.workspaceId });
      await ports.end(live.box);
    });
  });
}
