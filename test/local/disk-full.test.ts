import { execFileSync } from 'node:child_process';
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { streamOf, tarOf } from './archives.ts';
import { type Bench, launchReady, launchRequest, makeStateDir, openBench, shell } from './local-harness.ts';

const MIB = 1024 ** 2;

// A small file system of its own can only be mounted by root.
describe.skipIf(process.getuid?.() !== 0)('a disk that is full', () => {
  let bench: Bench;
  let stateDir: string;
  beforeAll(async () => {
    stateDir = makeStateDir();
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${200 * MIB},nr_inodes=3000,mode=0700`, 'devctl-test', stateDir]);
    bench = await openBench({ stateDir });
  });
  afterAll(async () => {
    for (const { id, kind, tags } of (await bench.provider.list()).items) {
      if (kind === 'box' && tags)
        await bench.provider.end({ boxId: id, sessionId: tags.sessionId as string, generation: tags.generation as number });
    }
    await bench.provider.stop();
    execFileSync('umount', ['-l', stateDir]);
    rmSync(stateDir, { recursive: true, force: true });
  });

  const partials = (workspaceId: string) => readdirSync(join(stateDir, 'snapshots', workspaceId));

  it('refuses a snapshot that does not fit, and keeps the box and its volume as they are', async () => {
    const launched = await launchReady(bench);
    await shell(bench.provider, launched.box, `head -c ${90 * MIB} /dev/urandom > big`);
    const ref = { workspaceId: launched.request.tags.workspaceId, id: 'snap_1' };
    const tags = { ...launched.request.tags, operationId: 'full' };
    const request = { tags, ref, volumeId: launched.volumeId, liveBox: launched.box, parent: null };
    await expect(bench.provider.snapshot(request)).rejects.toMatchObject({ kind: 'disk_full' });
    expect(await bench.provider.observeSnapshot(ref)).toMatchObject({ state: 'absent' });
    expect(await shell(bench.provider, launched.box, 'stat -c %s big')).toBe(String(90 * MIB));
    // With room again, the same operation succeeds.
    await shell(bench.provider, launched.box, `truncate -s ${20 * MIB} big`);
    expect(await bench.provider.snapshot(request)).toMatchObject({ state: 'completed' });
    await bench.provider.end(launched.box);
    await bench.provider.dropVolume(launched.volumeId);
    await bench.provider.dropSnapshot(ref);
  });

  it('that only shows while copying leaves nothing of the copy', async () => {
    const launched = await launchReady(bench);
    // There are bytes enough, but not names for as many files again.
    await shell(bench.provider, launched.box, 'seq 1 1800 | split -l 1 -a 4 - f');
    const ref = { workspaceId: launched.request.tags.workspaceId, id: 'snap_1' };
    const tags = { ...launched.request.tags, operationId: 'full-2' };
    const request = { tags, ref, volumeId: launched.volumeId, liveBox: launched.box, parent: null };
    await expect(bench.provider.snapshot(request)).rejects.toMatchObject({ kind: 'disk_full' });
    expect(partials(ref.workspaceId)).toEqual([]);
    expect(await shell(bench.provider, launched.box, 'ls | wc -l')).toBe('1800');
    await shell(bench.provider, launched.box, 'ls | tail -n +300 | xargs rm');
    await bench.provider.snapshot(request);
    await bench.provider.end(launched.box);
    // A restore that does not fit makes no volume.
    execFileSync('sh', ['-c', `head -c ${150 * MIB} /dev/zero > ${stateDir}/ballast`]);
    const restore = launchRequest({ source: { kind: 'snapshot', snapshot: ref } });
    await expect(bench.provider.launch(restore)).rejects.toMatchObject({ kind: 'disk_full' });
    expect((await bench.provider.list()).items.filter((item) => item.kind === 'volume').map((item) => item.id)).toEqual([
      launched.volumeId,
    ]);
    rmSync(join(stateDir, 'ballast'));
    await bench.provider.dropVolume(launched.volumeId);
  });

  it('refuses an import that does not fit, and changes nothing', async () => {
    const { box } = await launchReady(bench);
    execFileSync('sh', ['-c', `head -c ${150 * MIB} /dev/zero > ${stateDir}/ballast`]);
    const big = await tarOf([
      { name: 'small', content: 'x' },
      { name: 'big', content: Buffer.alloc(100 * MIB) },
    ]);
    await expect(bench.provider.importSource(box, streamOf(big))).rejects.toMatchObject({ code: 'disk_full' });
    expect(await shell(bench.provider, box, 'ls -A /workspace/src; ls -A /workspace/.devctl-box | grep import; true')).toBe('');
    rmSync(join(stateDir, 'ballast'));
    await bench.provider.end(box);
  });
});
