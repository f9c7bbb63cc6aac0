import { existsSync, readFileSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import type { BoxDisk } from '../../launcher/contract/box.ts';
import { SeededRandom } from '../support/faults.ts';
import { run, sumOf } from './disk-file.ts';
import { KNOWN, mountOf, NEW, OTHER, problem, rack, said, usedDisk, useRack, VOLUME, writeAt } from './volume-bench.ts';

useRack();

describe('a disk that is not what it should be is named, and no byte of it is changed', () => {
  const refused = async (file: string, wanted: BoxDisk) => {
    const before = sumOf(file);
    rack.attach(VOLUME, file);
    const { mount } = mountOf(wanted);
    const error = await mount.prepare().then(
      () => 'it was taken',
      (failure: unknown) => failure,
    );
    rack.detach(VOLUME);
    expect(sumOf(file)).toBe(before);
    return error;
  };

  it('an empty one in the place of work', async () => {
    expect(await refused(rack.blank(), KNOWN)).toEqual(
      problem('workspace_quarantined', /vol-0123456789abcdef0 is empty, and ought to have/),
    );
  });

  it.each([
    ['mkfs.ext4', ['-q', '-L', 'devctl'], /a file system of somebody else on it \(ext4 "devctl"\)/],
    ['mkfs.xfs', ['-q', '-L', 'other'], /a file system of somebody else on it \(xfs "other"\)/],
    ['mkswap', [], /a file system of somebody else on it \(swap\)/],
  ])('one of %s %j', async (program, args, why) => {
    for (const wanted of [NEW, KNOWN]) {
      const file = rack.blank();
      run(program, ...args, file);
      expect(await refused(file, wanted)).toEqual(problem('workspace_quarantined', why));
    }
  });

  it('a partition table, and data that is nothing that is known', async () => {
    const parted = rack.blank();
    // A table of the old kind with one Linux partition.
    const table = Buffer.alloc(512);
    table.set([0x80, 0, 2, 0, 0x83, 0xfe, 0xff, 0xff, 0, 8, 0, 0, 0, 0, 8, 0], 446);
    table.set([0x55, 0xaa], 510);
    writeAt(parted, table, 0);
    expect(await refused(parted, NEW)).toEqual(problem('workspace_quarantined', /a partition table \(dos\)/));
    const raw = rack.blank();
    writeAt(raw, Buffer.from('a database without a file system'), 4096);
    expect(await refused(raw, NEW)).toEqual(problem('workspace_quarantined', /data that is no file system/));
    const late = rack.blank();
    writeAt(late, Buffer.from('at the end'), 400 * 1024 ** 2 - 100);
    expect(await refused(late, NEW)).toEqual(problem('workspace_quarantined', /data that is no file system/));
  });

  it('the files of another workspace', async () => {
    const { file, fileSystem } = await usedDisk();
    const wanted = { ...KNOWN, fileSystem: '11111111-2222-4333-8444-555555555555' };
    expect(await refused(file, wanted)).toEqual(
      problem('workspace_quarantined', new RegExp(`another workspace on it \\(file system ${fileSystem}`)),
    );
  });

  it('a superblock that was overwritten', async () => {
    const { file } = await usedDisk();
    writeAt(file, Buffer.alloc(4096, 0xa5), 0);
    for (const wanted of [NEW, KNOWN])
      expect(await refused(file, wanted)).toEqual(problem('workspace_quarantined', /data that is no file system/));
  });

  it('one that was damaged inside its superblock', async () => {
    const { file, fileSystem } = await usedDisk();
    // Counts of blocks, which its check sum covers.
    writeAt(file, Buffer.from([0xff]), 8);
    expect(await refused(file, { ...KNOWN, fileSystem })).toEqual(problem('workspace_quarantined', /is damaged|no file system/));
  });

  it('one that came back shorter than it was', async () => {
    const { file, fileSystem } = await usedDisk();
    truncateSync(file, 350 * 1024 ** 2);
    expect(await refused(file, { ...KNOWN, fileSystem })).toEqual(
      problem('workspace_quarantined', /is shorter than the file system on it/),
    );
  });
});

describe('a disk that this machine cannot use', () => {
  it('is missing, twice there, or read-only: another machine may have it', async () => {
    rack.attach(OTHER, rack.blank());
    await expect(mountOf(NEW).mount.prepare()).rejects.toEqual(
      problem('disk_unavailable', /did not come to this machine, which has \/dev\/loop\d+ \(vol-0fed/),
    );
    const { file } = await usedDisk();
    rack.attach(VOLUME, file, { readOnly: true });
    await expect(mountOf(KNOWN).mount.prepare()).rejects.toEqual(problem('disk_unavailable', /is read-only on this machine/));
    rack.attach(`${VOLUME}/2`, rack.blank());
    await expect(mountOf(KNOWN).mount.prepare()).rejects.toEqual(problem('disk_unavailable', /both say that they are vol-0123/));
  });

  it('comes late', async () => {
    const file = rack.blank();
    const { mount, root } = mountOf(NEW, { appearMs: 20_000 });
    const coming = mount.prepare();
    await vi.waitFor(() => expect(said).not.toEqual([]));
    rack.attach(VOLUME, file);
    await coming;
    expect(existsSync(join(root, 'src'))).toBe(true);
    expect(said[0]).toMatch(/is not there yet/);
  });
});

it('bytes that flip are found, or do no harm: never is a disk formatted that had something on it', { timeout: 120_000 }, async () => {
  const { file, fileSystem } = await usedDisk();
  const random = new SeededRandom(4);
  let named = 0;
  for (let round = 0; round < 12; round += 1) {
    const flipped = rack.copyOf(file);
    const at = random.below(round % 2 === 0 ? 512 : 64 * 1024);
    const byte = Buffer.from([random.below(256)]);
    writeAt(flipped, byte, at);
    rack.attach(VOLUME, flipped);
    const { mount, root } = mountOf({ ...NEW, fileSystem });
    try {
      await mount.prepare();
      expect(readFileSync(join(root, 'src', 'work'), 'utf8'), `byte ${at} is ${byte[0]}`).toBe('of hours');
      await mount.release();
    } catch (error) {
      expect(error).toMatchObject({ name: 'DiskProblem' });
      named += 1;
    }
    rack.detach(VOLUME);
  }
  expect(named).toBeGreaterThan(0);
});
