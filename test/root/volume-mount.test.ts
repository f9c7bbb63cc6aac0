import { closeSync, existsSync, openSync, readdirSync, readFileSync, statfsSync, truncateSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { VolumeMount } from '../../agent-bootstrap/ec2/volume-mount.ts';
import { withReserve, writeDurably } from '../../agent-bootstrap/journal.ts';
import { makeWorkspaceFolders } from '../../agent-bootstrap/workspace-folders.ts';
import { quietly } from './disk-file.ts';
import { KNOWN, mountOf, NEW, OTHER, rack, said, usedDisk, useRack, VOLUME, writeThrough } from './volume-bench.ts';

useRack();

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
