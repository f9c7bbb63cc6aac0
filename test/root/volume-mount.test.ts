import {
  closeSync,
  existsSync,
  fsyncSync,
  openSync,
  readdirSync,
  readFileSync,
  statfsSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { VolumeMount } from '../../agent-bootstrap/ec2/volume-mount.ts';
import { withReserve, writeDurably } from '../../agent-bootstrap/journal.ts';
import { makeWorkspaceFolders } from '../../agent-bootstrap/workspace-folders.ts';
import type { BoxDisk } from '../../launcher/contract/box.ts';
import { SeededRandom } from '../support/faults.ts';
import { DiskRack, quietly, run, sumOf } from './disk-file.ts';

const VOLUME = 'vol-0123456789abcdef0';
const OTHER = 'vol-0fedcba9876543210';
const NEW: BoxDisk = { volumeId: VOLUME, fileSystem: null, mayFormat: true };
const KNOWN: BoxDisk = { volumeId: VOLUME, fileSystem: null, mayFormat: false };

let rack: DiskRack;
let said: string[];
beforeEach(() => {
  rack = new DiskRack();
  said = [];
});
afterEach(() => rack.close());

function mountOf(wanted: BoxDisk, { root = rack.mountPoint(), appearMs = 200 } = {}) {
  const log = (line: string) => void said.push(line);
  const mount = new VolumeMount({
    root,
    wanted: async () => wanted,
    folders: () => makeWorkspaceFolders(root, null),
    log,
    disks: rack.seen,
    appearMs,
  });
  return { mount, root };
}

/** A file that is on the disk when this returns. */
function writeThrough(path: string, text: string): void {
  const fd = openSync(path, 'w');
  writeSync(fd, text);
  fsyncSync(fd);
  closeSync(fd);
}

/** A disk with a workspace on it, which was made quiet. */
async function usedDisk(bytes?: number): Promise<{ file: string; fileSystem: string }> {
  const file = rack.blank(bytes);
  rack.attach(VOLUME, file);
  const { mount, root } = mountOf(NEW);
  await mount.prepare();
  writeThrough(join(root, 'src', 'work'), 'of hours');
  expect(await mount.release()).toBe('unmounted');
  rack.detach(VOLUME);
  return { file, fileSystem: mount.fileSystem ?? '' };
}

const problem = (code: string, message: RegExp) =>
  expect.objectContaining({ name: 'DiskProblem', code, message: expect.stringMatching(message) });

describe('the first disk of a workspace', () => {
  it('gets a file system and its folders, and has what was written when it comes to another machine', async () => {
    const { file, fileSystem } = await usedDisk();
    expect(fileSystem).toMatch(/^[0-9a-f-]{36}$/);
    rack.attach(OTHER, rack.blank());
    rack.attach(VOLUME, file);
    const { mount, root } = mountOf({ volumeId: VOLUME, fileSystem, mayFormat: false });
    await mount.prepare();
    expect(readFileSync(join(root, 'src', 'work'), 'utf8')).toBe('of hours');
    expect(readdirSync(root).sort()).toEqual(['.devctl-box', 'cache', 'home', 'src']);
    expect(mount.fileSystem).toBe(fileSystem);
  });

  it('is left alone by a second look, and by an agent that comes after one that died', async () => {
    rack.attach(VOLUME, rack.blank());
    const first = mountOf(NEW);
    await first.mount.prepare();
    writeThrough(join(first.root, 'src', 'work'), 'of hours');
    await first.mount.prepare();
    const again = mountOf(NEW, first);
    await again.mount.prepare();
    expect(again.mount.fileSystem).toBe(first.mount.fileSystem);
    expect(readFileSync(join(first.root, 'src', 'work'), 'utf8')).toBe('of hours');
  });

  it('is mounted again after it was given back, and its launcher is not asked a second time', async () => {
    rack.attach(VOLUME, rack.blank());
    let asked = 0;
    const root = rack.mountPoint();
    const wanted = async () => {
      asked += 1;
      if (asked > 1) throw new Error('there is no launcher any more');
      return NEW;
    };
    const mount = new VolumeMount({ root, wanted, folders: () => makeWorkspaceFolders(root, null), log: () => {}, disks: rack.seen });
    await mount.prepare();
    writeThrough(join(root, 'src', 'work'), 'of hours');
    await mount.release();
    expect(existsSync(join(root, 'src'))).toBe(false);
    await mount.prepare();
    expect(readFileSync(join(root, 'src', 'work'), 'utf8')).toBe('of hours');
  });
});

it('what an agent has mounted the next one finds, with no launcher to ask; after a boot it asks', async () => {
  rack.attach(VOLUME, rack.blank());
  const root = rack.mountPoint();
  const notePath = join(rack.dir, 'volume.json');
  const options = { root, notePath, folders: () => makeWorkspaceFolders(root, null), log: () => {}, disks: rack.seen };
  const first = new VolumeMount({ ...options, wanted: async () => NEW });
  await first.prepare();
  const alone = new VolumeMount({ ...options, wanted: () => Promise.reject(new Error('there is no launcher')) });
  await alone.prepare();
  expect(alone.fileSystem).toBe(first.fileSystem);
  expect(await alone.release()).toBe('unmounted');
  await expect(alone.hold()).rejects.toThrow(/is not mounted/);
  const booted = new VolumeMount({ ...options, wanted: () => Promise.reject(new Error('there is no launcher')) });
  await expect(booted.prepare()).rejects.toThrow('there is no launcher');
});

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

describe('a disk that was not given back', () => {
  it('has what was flushed before its power was cut', async () => {
    const file = rack.blank();
    rack.attach(VOLUME, file);
    const { mount, root } = mountOf(NEW);
    await mount.prepare();
    for (let n = 0; n < 50; n += 1) writeThrough(join(root, 'src', `file-${n}`), `content ${n}`);
    const cut = rack.copyOf(file);
    rack.attach(OTHER, cut);
    quietly('umount', root);
    const next = mountOf({ volumeId: OTHER, fileSystem: mount.fileSystem ?? '', mayFormat: false });
    await next.mount.prepare();
    for (let n = 0; n < 50; n += 1) expect(readFileSync(join(next.root, 'src', `file-${n}`), 'utf8')).toBe(`content ${n}`);
  });

  it('stands still while somebody holds on to it, and has all that was written; then it goes on', async () => {
    const file = rack.blank();
    rack.attach(VOLUME, file);
    const { mount, root } = mountOf(NEW);
    await mount.prepare();
    const held = openSync(join(root, 'src', 'held'), 'w');
    writeSync(held, 'written, and not flushed');
    expect(await mount.release()).toBe('frozen');
    expect(said.at(-1)).toMatch(/could not be unmounted: .*busy/);
    const copy = rack.copyOf(file);
    await mount.letGo();
    writeSync(held, ' and more');
    closeSync(held);
    expect(await mount.release()).toBe('unmounted');
    rack.attach(OTHER, copy);
    const next = mountOf({ volumeId: OTHER, fileSystem: mount.fileSystem ?? '', mayFormat: false });
    await next.mount.prepare();
    expect(readFileSync(join(next.root, 'src', 'held'), 'utf8')).toBe('written, and not flushed');
  });

  it('is written to again by the agent that comes after one which died while it stood still', async () => {
    rack.attach(VOLUME, rack.blank());
    const { mount, root } = mountOf(NEW);
    await mount.prepare();
    await mount.hold();
    const again = mountOf(KNOWN, { root });
    await again.mount.prepare();
    writeThrough(join(root, 'src', 'work'), 'goes on');
    await mount.letGo();
  });
});

it('a volume that was made larger has the room', async () => {
  const { file, fileSystem } = await usedDisk();
  truncateSync(file, 800 * 1024 ** 2);
  rack.attach(VOLUME, file);
  const { mount, root } = mountOf({ ...KNOWN, fileSystem });
  await mount.prepare();
  const { blocks, bsize } = statfsSync(root);
  expect(blocks * bsize).toBeGreaterThan(700 * 1024 ** 2);
  expect(readFileSync(join(root, 'src', 'work'), 'utf8')).toBe('of hours');
});

it('a full disk comes up with everything that is on it', async () => {
  rack.attach(VOLUME, rack.blank());
  const { mount, root } = mountOf(NEW);
  await mount.prepare();
  writeThrough(join(root, 'src', 'work'), 'of hours');
  expect(() => writeFileSync(join(root, 'src', 'all'), Buffer.alloc(500 * 1024 ** 2))).toThrow(/ENOSPC/);
  expect(await mount.release()).toBe('unmounted');
  await mount.prepare();
  expect(readFileSync(join(root, 'src', 'work'), 'utf8')).toBe('of hours');
});

it('what the agent has to note finds room on a full disk', async () => {
  rack.attach(VOLUME, rack.blank());
  const { mount, root } = mountOf(NEW);
  await mount.prepare();
  const stateDir = join(root, '.devctl-box');
  expect(() => writeFileSync(join(root, 'src', 'all'), Buffer.alloc(500 * 1024 ** 2))).toThrow(/ENOSPC/);
  quietly('sh', '-c', `cat /dev/zero >> ${join(root, 'src', 'more')}`);
  expect(() => writeDurably(join(stateDir, 'canary'), 'x'.repeat(5000))).toThrow(/ENOSPC/);
  withReserve(stateDir, () => writeDurably(join(stateDir, 'canary'), 'x'.repeat(5000)));
  expect(await mount.release()).toBe('unmounted');
  await mount.prepare();
  expect(readFileSync(join(stateDir, 'canary'), 'utf8')).toBe('x'.repeat(5000));
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

function writeAt(file: string, bytes: Buffer, position: number): void {
  const fd = openSync(file, 'r+');
  writeSync(fd, bytes, 0, bytes.length, position);
  closeSync(fd);
}
