import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readNoteComment } from '../../launcher/contract/copy-notes.ts';
import type { BoxRef } from '../../launcher/ports/compute.ts';
import { type ArchiveItem, readTar, streamOf, tarOf } from './archives.ts';
import { type Bench, eventually, launchReady, openBench, shell, TEST_LIMITS } from './local-harness.ts';

let bench: Bench;
let box: BoxRef;
const sh = (line: string) => shell(bench.provider, box, line);
const put = async (path: string, items: ArchiveItem[]) => bench.provider.putFiles(box, path, streamOf(await tarOf(items)));
const import_ = async (items: ArchiveItem[]) => bench.provider.importSource(box, streamOf(await tarOf(items)));

beforeAll(async () => {
  bench = await openBench();
  ({ box } = await launchReady(bench));
});
afterAll(() => bench?.close());

const file = (name: string, content = 'x', more: Partial<ArchiveItem> = {}): ArchiveItem => ({ name, content, ...more });

/** Archives that must be refused, and leave nothing behind. */
const HOSTILE: Record<string, ArchiveItem[]> = {
  'an absolute path': [file('ok'), file('/workspace/src/evil')],
  'a path that goes up': [file('ok'), file('a/../../evil')],
  'a device': [{ name: 'evil', type: 'character-device', devmajor: 1, devminor: 3 }],
  'a block device': [{ name: 'evil', type: 'block-device', devmajor: 8, devminor: 0 }],
  'a pipe': [{ name: 'evil', type: 'fifo' }],
  'an absolute link': [{ name: 'evil', type: 'symlink', linkname: '/etc/passwd' }],
  'a link that goes up': [{ name: 'a/evil', type: 'symlink', linkname: '../../home/.bashrc' }],
  'a link that goes up late': [
    { name: 'x/y/short', type: 'symlink', linkname: '../..' },
    { name: 'x/y/evil', type: 'symlink', linkname: 'short/../../home' },
  ],
  'a file through a link of the archive': [
    { name: 'dir', type: 'directory' },
    { name: 'link', type: 'symlink', linkname: 'dir' },
    file('link/evil'),
  ],
  'a hard link to a file outside': [{ name: 'evil', type: 'link', linkname: '../home/.bashrc' }],
  'a hard link to something that is not in the archive': [{ name: 'evil', type: 'link', linkname: 'missing' }],
  'a hard link through a link': [
    file('dir/file'),
    { name: 'dir', type: 'symlink', linkname: 'other' },
    { name: 'evil', type: 'link', linkname: 'dir/file' },
  ],
  'a name with a part that is too long': [file(`${'n'.repeat(300)}`)],
};

describe('import', () => {
  for (const [name, items] of Object.entries(HOSTILE)) {
    it(`refuses ${name}, and changes nothing`, async () => {
      await expect(import_(items)).rejects.toMatchObject({ code: 'invalid_archive' });
      expect(await sh('ls -A /workspace/src /workspace/home; ls -A /workspace/.devctl-box | grep -v journal; true')).not.toMatch(
        /evil|import-|ok/,
      );
    });
  }

  it('refuses what is too many, too long or expands without end', async () => {
    const many = Array.from({ length: TEST_LIMITS.archiveFiles + 1 }, (_, index) => file(`f${index}`, ''));
    await expect(import_(many)).rejects.toMatchObject({ code: 'too_large' });
    const bomb = gzipSync(await tarOf([file('zeros', '\0'.repeat(50 * 1024 ** 2))]));
    await expect(bench.provider.importSource(box, streamOf(bomb))).rejects.toMatchObject({ code: 'too_large' });
    // Only its header says so: nothing of it has to be sent to be refused.
    const huge = (await tarOf([file('huge', 'x')])).subarray(0, 512);
    huge.write(`${(300 * 1024 ** 2).toString(8).padStart(11, '0')} `, 124);
    huge.write('        ', 148);
    const sum = huge.reduce((total, byte) => total + byte, 0);
    huge.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
    await expect(bench.provider.importSource(box, streamOf(huge))).rejects.toMatchObject({ code: 'too_large' });
  });

  it('refuses what is not an archive, or was cut off', async () => {
    await expect(bench.provider.importSource(box, streamOf(Buffer.from('this is no archive'.repeat(100))))).rejects.toMatchObject({
      code: 'invalid_archive',
    });
    const whole = await tarOf([file('ok'), file('cut', 'y'.repeat(5_000))]);
    await expect(bench.provider.importSource(box, streamOf(whole.subarray(0, 3_000)))).rejects.toMatchObject({ code: 'invalid_archive' });
    await expect(bench.provider.importSource(box, streamOf(gzipSync(whole).subarray(0, 100)))).rejects.toMatchObject({
      code: 'invalid_archive',
    });
    expect(await sh('ls -A /workspace/src')).toBe('');
  });

  it('fills an empty workspace, once', async () => {
    const imported = await import_([
      { name: './', type: 'directory', mode: 0o755 },
      file('./README.md', 'hello\n', { mode: 0o644 }),
      { name: 'bin/', type: 'directory', mode: 0o555 },
      file('bin/run', '#!/bin/sh\necho ran\n', { mode: 0o4755 }),
      { name: 'bin/alias', type: 'symlink', linkname: 'run' },
      { name: 'up', type: 'symlink', linkname: 'bin/run' },
      { name: 'deep/er/back', type: 'symlink', linkname: '../../README.md' },
      { name: 'same', type: 'link', linkname: 'README.md' },
      file(`long/${'p'.repeat(120)}/${'q'.repeat(120)}`, 'long'),
      file('ünïcode – ☃ name', 'unicode'),
      file('read-only', 'ro', { mode: 0o444 }),
    ]);
    expect(imported.files).toBe(11);
    expect(await sh('cat README.md deep/er/back same && bin/alias && stat -c %a%h bin/run bin same read-only')).toBe(
      'hello\nhello\nhello\nran\n7551\n7552\n6442\n4441',
    );
    expect(await sh("cat 'ünïcode – ☃ name' long/*/*")).toBe('unicodelong');
    await bench.launcher.beat(box.boxId, (beat) => beat.contentPresent);
    await expect(import_([file('again')])).rejects.toMatchObject({ code: 'workspace_not_empty' });
  });
});

describe('files', () => {
  it('go in and come out as they are, gzipped or not', async () => {
    await put('data', [
      { name: 'd/', type: 'directory', mode: 0o750 },
      file('d/a', 'A', { mode: 0o600 }),
      { name: 'd/l', type: 'symlink', linkname: 'a' },
    ]);
    const gzipped = gzipSync(await tarOf([file('d/b', 'B')]));
    await bench.provider.putFiles(box, '/workspace/src/data', streamOf(gzipped));
    expect(await sh('stat -c "%n %a" data/d data/d/a && cat data/d/l data/d/b')).toBe('data/d 750\ndata/d/a 600\nAB');
    const out = await readTar(await bench.provider.getFiles(box, 'data/d'));
    expect(out.map(({ name, type }) => `${type} ${name}`)).toEqual(['directory d', 'file d/a', 'file d/b', 'symlink d/l']);
    expect(out[1]?.content.toString()).toBe('A');
    const [single] = await readTar(await bench.provider.getFiles(box, '/etc/hostname'));
    expect(single).toMatchObject({ name: 'hostname', type: 'file' });
  });

  it('replace files, never what a link leads to', async () => {
    await sh('mkdir -p swap/real && echo secret > ~/victim && ln -s ~/victim swap/file && ln -s ~ swap/dir');
    await put('swap', [file('file', 'new')]);
    expect(await sh('cat ~/victim swap/file; test -L swap/file || echo plain')).toBe('secret\nnewplain');
    await expect(put('swap', [file('dir/evil')])).rejects.toMatchObject({ code: 'invalid_archive' });
    await expect(put('swap', [file('real')])).rejects.toMatchObject({ code: 'invalid_archive' });
    expect(await sh('ls -A ~')).not.toContain('evil');
  });

  it('are not led out of the workspace by a link in the path', async () => {
    await sh('mkdir -p /tmp/outside && ln -sfn /tmp/outside way');
    await expect(put('way/in', [file('evil')])).rejects.toMatchObject({ code: 'invalid_request' });
    expect(await sh('ls -A /tmp/outside')).toBe('');
    // Written out, it is the owner's own wish.
    await put('/tmp/outside', [file('wanted')]);
    expect(await sh('ls -A /tmp/outside')).toBe('wanted');
  });

  it('refuse hostile archives as an import does, with nothing changed', async () => {
    await sh('mkdir -p pit');
    for (const items of Object.values(HOSTILE)) await expect(put('pit', items)).rejects.toMatchObject({ code: 'invalid_archive' });
    expect(await sh('ls -A pit; ls -A /workspace/.devctl-box | grep put-; true')).toBe('');
  });

  it('say what is not there, and what cannot be read', async () => {
    await expect(bench.provider.getFiles(box, 'nowhere')).rejects.toMatchObject({ code: 'not_found' });
    await expect(bench.provider.getFiles(box, '/etc/shadow')).rejects.toMatchObject({ code: 'invalid_request' });
    await expect(put('/usr/lib/evil', [file('evil')])).rejects.toMatchObject({ code: 'invalid_request' });
  });

  it('name at the end what of a folder could not be copied, and bring the rest', async () => {
    await sh(`mkdir -p odd/closed odd/deep && cd odd && echo a > a && echo b > deep/b && echo c > secret && chmod 0 secret closed && mkfifo pipe &&
      printf n > "$(printf 'caf\\351')" && ln -s "$(printf 'to\\351')" link && mkdir "$(printf 'dir\\377')"`);
    const entries = await readTar(await bench.provider.getFiles(box, 'odd'));
    const last = entries.at(-1) as { name: string; type: string; pax?: { comment: string } };
    expect(entries.slice(0, -1).map(({ name }) => name)).toEqual(['odd', 'odd/a', 'odd/closed', 'odd/deep', 'odd/deep/b']);
    expect(last).toMatchObject({ name: 'odd', type: 'directory' });
    expect(readNoteComment(last.pax?.comment ?? '')).toEqual({
      count: 6,
      lost: 5,
      notes: [
        { path: String.raw`odd/caf\xe9`, why: 'has a name that is not UTF-8: left out' },
        { path: 'odd/closed', why: 'cannot be read (permission denied): left out' },
        { path: String.raw`odd/dir\xff`, why: 'has a name that is not UTF-8: left out' },
        { path: 'odd/link', why: String.raw`is a link to to\xe9, which is not UTF-8: left out` },
        { path: 'odd/pipe', why: 'is a pipe: left out' },
        { path: 'odd/secret', why: 'cannot be read (permission denied): left out' },
      ],
    });
    await expect(bench.provider.getFiles(box, 'odd/pipe')).rejects.toMatchObject({
      code: 'invalid_request',
      detail: expect.stringContaining('is a pipe'),
    });
  });

  it('name a limited number of what could not be copied, and count the rest', async () => {
    await sh('mkdir many && cd many && for i in $(seq 120); do mkfifo p$i; done');
    const entries = await readTar(await bench.provider.getFiles(box, 'many'));
    const { notes, count, lost } = readNoteComment((entries.at(-1) as { pax?: { comment: string } }).pax?.comment ?? '') ?? {};
    expect([notes?.length, count, lost]).toEqual([100, 120, 0]);
  });

  it('carry a big file both ways without change', async () => {
    const big = Buffer.alloc(30 * 1024 ** 2, 'devctl 0123456789');
    await put('big', [file('blob', '', { content: big } as Partial<ArchiveItem>)]);
    expect(await sh('stat -c %s big/blob')).toBe(String(big.length));
    const [back] = await readTar(await bench.provider.getFiles(box, 'big/blob'));
    expect(back?.content.equals(big)).toBe(true);
  });
});

describe('a box that is being saved', () => {
  it('takes no files', async () => {
    bench.launcher.orders.set(box.sessionId, { state: 'hold' });
    await bench.provider.quiesce(box, 'files-quiesce');
    await expect(put('late', [file('late')])).rejects.toMatchObject({ code: 'wrong_phase' });
    bench.launcher.orders.set(box.sessionId, { state: 'work' });
    await bench.provider.poke(box);
    await eventually(async () =>
      put('late', [file('late')]).then(
        () => true,
        () => false,
      ),
    );
  });
});
