import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { type Header, pack } from 'tar-stream';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { packItems } from '../../../launcher/cli/pack.ts';
import { selectFiles, selectTree } from '../../../launcher/cli/select.ts';
import { Unpacker } from '../../../launcher/cli/unpack.ts';
import { DevctlError } from '../../../launcher/contract/errors.ts';

let dir: string;
beforeEach(() => {
  dir = realpathSync(mkdtempSync(join(tmpdir(), 'devctl-archives-')));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const at = (...parts: string[]): string => join(dir, ...parts);
const put = (path: string, text = path): void => {
  mkdirSync(join(at(path), '..'), { recursive: true });
  writeFileSync(at(path), text);
};
const git = (folder: string, ...args: string[]): string =>
  execFileSync(
    'git',
    ['-C', at(folder), '-c', 'user.name=t', '-c', 'user.email=t@example.com', '-c', 'protocol.file.allow=always', ...args],
    {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, GIT_CONFIG_GLOBAL: '/dev/null', GIT_CONFIG_SYSTEM: '/dev/null' },
    },
  );
const repository = (folder: string): void => {
  mkdirSync(at(folder), { recursive: true });
  git(folder, 'init', '-q', '-b', 'main');
};
/** Sends a selection through a tar stream into a folder. */
async function carry(from: string, to: string): Promise<string[]> {
  const selection = await selectFiles(at(from), at('never'));
  mkdirSync(at(to));
  await new Unpacker(at(to)).run(packItems(selection.items));
  return selection.notes;
}
const plain = (names: string[]): string[] => names.filter((name) => name !== '.git' && !name.startsWith('.git/')).sort();

describe('what of a folder goes in', () => {
  it('is the tracked and the untracked but not ignored files, and the history', async () => {
    repository('shop');
    for (const path of ['shop/a.txt', 'shop/gone.txt', 'shop/sub/run.sh', 'shop/node_modules/x', 'shop/new.txt']) put(path);
    chmodSync(at('shop/sub/run.sh'), 0o755);
    writeFileSync(at('shop/.gitignore'), 'node_modules\n');
    symlinkSync('a.txt', at('shop/link'));
    symlinkSync('nowhere', at('shop/dangling'));
    git('shop', 'add', '.');
    git('shop', 'rm', '-q', '--cached', 'new.txt');
    git('shop', 'commit', '-qm', 'one');
    git('shop', 'branch', 'second');
    rmSync(at('shop/gone.txt'));
    writeFileSync(at('shop/.git/index.lock'), '');
    const selection = await selectFiles(at('shop'), at('never'));
    const names = selection.items.map((item) => item.name);
    expect(plain(names)).toEqual(['.gitignore', 'a.txt', 'dangling', 'link', 'new.txt', 'sub/run.sh']);
    expect(names).toContain('.git/HEAD');
    expect(names).toContain('.git/refs/heads');
    expect(names).not.toContain('.git/index.lock');
    expect(selection.branches).toBe(2);
    rmSync(at('shop/.git/index.lock'));

    expect(await carry('shop', 'box')).toEqual([]);
    expect(git('box', 'status', '--short')).toBe(git('shop', 'status', '--short'));
    expect(git('box', 'log', '--format=%H')).toBe(git('shop', 'log', '--format=%H'));
    expect(statSync(at('box/sub/run.sh')).mode & 0o777).toBe(0o755);
    expect(readlinkSync(at('box/link'))).toBe('a.txt');
  });

  it('is everything where there is no repository, but sockets and pipes', async () => {
    put('plain/a');
    put('plain/deep/b');
    mkdirSync(at('plain/empty'));
    const server = createServer().listen(at('plain/pipe'));
    await once(server, 'listening');
    put('plain/state/secret');
    const selection = await selectFiles(at('plain'), at('plain/state'));
    server.close();
    expect(selection.items.map((item) => item.name)).toEqual(['a', 'deep', 'deep/b', 'empty']);
    expect(selection.notes).toEqual(['left out (a socket, pipe or device): pipe']);
    expect(selection.branches).toBeNull();
  });

  it('leaves out links that lead out of the folder, which the box would refuse, and says so', async () => {
    repository('shop');
    put('shop/sub/a.txt');
    symlinkSync('/etc/hosts', at('shop/absolute'));
    symlinkSync('../../outside', at('shop/sub/up'));
    symlinkSync('../sub/a.txt', at('shop/sub/within'));
    symlinkSync(Buffer.from([0x63, 0xe9]), at('shop/latin'));
    git('shop', 'add', '.');
    const selection = await selectFiles(at('shop'), at('never'));
    expect(plain(selection.items.map((item) => item.name))).toEqual(['sub/a.txt', 'sub/within']);
    expect(selection.notes).toEqual([
      'left out (a link that leads out of the folder): absolute, sub/up',
      'left out (a link to a name that is not UTF-8): latin',
    ]);
  });

  it('is the files of a folder within a repository, without its history', async () => {
    repository('mono');
    put('mono/packages/api/index.js');
    put('mono/other.js');
    const selection = await selectFiles(at('mono/packages/api'), at('never'));
    expect(selection.items.map((item) => item.name)).toEqual(['index.js']);
    expect(selection.notes.join()).toContain(`the git history is in ${at('mono')}`);
  });

  it('makes a worktree a repository of its own', async () => {
    repository('main');
    put('main/a.txt', 'one');
    git('main', 'add', '.');
    git('main', 'commit', '-qm', 'one');
    git('main', 'worktree', 'add', '-q', '-b', 'feature', at('tree'));
    writeFileSync(at('tree/a.txt'), 'two');
    writeFileSync(at('tree/b.txt'), 'new');
    git('tree', 'add', 'b.txt');
    expect((await carry('tree', 'box')).join()).toContain('worktree');
    expect(git('box', 'rev-parse', '--abbrev-ref', 'HEAD').trim()).toBe('feature');
    expect(git('box', 'status', '--short')).toBe(' M a.txt\nA  b.txt\n');
    expect(existsSync(at('box/.git/worktrees'))).toBe(false);
  });

  it('takes submodules and clones within along', async () => {
    repository('lib');
    put('lib/lib.txt');
    git('lib', 'add', '.');
    git('lib', 'commit', '-qm', 'lib');
    repository('app');
    git('app', 'submodule', '--quiet', 'add', at('lib'), 'vendor/lib');
    git('app', 'commit', '-qm', 'app');
    repository('app/inner');
    put('app/inner/x.txt');
    await carry('app', 'box');
    expect(readFileSync(at('box/vendor/lib/lib.txt'), 'utf8')).toBe('lib/lib.txt');
    expect(git('box/vendor/lib', 'log', '--format=%s').trim()).toBe('lib');
    expect(git('box/inner', 'status', '--short')).toBe('?? x.txt\n');
  });

  it('names what cannot be read, before anything is sent', async () => {
    put('plain/ok');
    put('plain/closed');
    chmodSync(at('plain/closed'), 0);
    chmodSync(dir, 0o755);
    const { seteuid, getuid } = process as Required<Pick<NodeJS.Process, 'seteuid' | 'getuid'>>;
    const isRoot = getuid() === 0;
    // Root may read everything: look as somebody who may not.
    if (isRoot) seteuid(65_534);
    try {
      expect(() => selectTree(at('plain'), '')).toThrow('cannot read closed');
    } finally {
      if (isRoot) seteuid(0);
    }
  });

  it('says when a password would go along', async () => {
    repository('shop');
    git('shop', 'remote', 'add', 'origin', 'https://me:hunter2@host.example/x');
    const { notes } = await selectFiles(at('shop'), at('never'));
    expect(notes.join()).toContain('has a password in it');
    expect(notes.join()).not.toContain('hunter2');
  });
});

describe('a tar stream that is sent', () => {
  it('carries large files whole, and copies under another name', async () => {
    put('from/big', 'x'.repeat(1_000_000));
    put('from/sub/small', 'y');
    mkdirSync(at('to'));
    const result = await new Unpacker(at('to')).run(packItems(selectTree(at('from'), 'renamed').items));
    expect(result).toEqual({ files: 2, bytes: 1_000_001, notes: [], left: null });
    expect(readFileSync(at('to/renamed/big')).equals(readFileSync(at('from/big')))).toBe(true);
  });

  it('goes out in few pieces', async () => {
    for (let n = 0; n < 100; n += 1) put(`from/f${n}`, 'x'.repeat(2_000));
    const pieces: Buffer[] = await packItems(selectTree(at('from'), '').items).toArray();
    // Each file takes 2,560 bytes of the archive.
    expect(pieces.length).toBeLessThan(10);
    expect(Buffer.concat(pieces).length).toBe(100 * 2_560 + 1_024);
  });

  it('ends with an error when a file shrinks meanwhile', async () => {
    for (const size of [10, 1_000_000]) {
      put('from/a', 'x'.repeat(size));
      const { items } = selectTree(at('from'), '');
      writeFileSync(at('from/a'), 'x');
      await expect(packItems(items).resume().toArray()).rejects.toThrow('a changed while it was read');
    }
  });
});

describe('a tar stream that may be hostile', () => {
  type Entry = Partial<Header> & { name: string; text?: string };
  async function unpack(entries: Entry[]): Promise<{ notes: string[] }> {
    const tar = pack();
    for (const { text, ...header } of entries) tar.entry({ mode: 0o644, ...header }, text ?? '');
    tar.finalize();
    mkdirSync(at('out'), { recursive: true });
    return new Unpacker(at('out')).run(Readable.from(tar as unknown as AsyncIterable<Buffer>));
  }

  it.each([
    ['an absolute name', [{ name: '/etc/x', text: 'x' }], 'is an absolute path'],
    ['a name that climbs', [{ name: 'a/../../x', text: 'x' }], 'leaves its folder'],
    [
      'a file through a link of the archive',
      [
        { name: 'l', type: 'symlink', linkname: 'real' },
        { name: 'l/x', text: 'x' },
      ],
      'no folder',
    ],
    ['a hard link to elsewhere', [{ name: 'h', type: 'link', linkname: '../secret' }], 'leaves its folder'],
    ['a hard link to what it did not bring', [{ name: 'h', type: 'link', linkname: 'there' }], 'not in the archive'],
  ] as Array<[string, Entry[], string]>)('cannot bring %s', async (_, entries, why) => {
    put('secret', 'secret');
    mkdirSync(at('out/real'), { recursive: true });
    put('out/there', 'there');
    const refusal = await unpack(entries).then(
      () => null,
      (error: unknown) => error,
    );
    expect(refusal).toBeInstanceOf(DevctlError);
    expect(refusal).toMatchObject({ code: 'invalid_archive', detail: expect.stringContaining(why) });
    expect(readFileSync(at('secret'), 'utf8')).toBe('secret');
    expect(readdirSync(at('out/real'))).toEqual([]);
  });

  it('does not write through a link that was there before', async () => {
    mkdirSync(at('elsewhere'));
    mkdirSync(at('out'));
    symlinkSync(at('elsewhere'), at('out/logs'));
    put('victim', 'untouched');
    symlinkSync(at('victim'), at('out/file'));
    await unpack([{ name: 'file', text: 'new' }]);
    expect(readFileSync(at('victim'), 'utf8')).toBe('untouched');
    expect(lstatSync(at('out/file')).isFile()).toBe(true);
    await expect(unpack([{ name: 'logs/x', text: 'x' }])).rejects.toThrow('no folder');
    expect(readdirSync(at('elsewhere'))).toEqual([]);
  });

  it('leaves out links that lead out, devices and special modes', async () => {
    const { notes } = await unpack([
      { name: 'd/abs', type: 'symlink', linkname: '/etc/passwd' },
      { name: 'd/up', type: 'symlink', linkname: '../../x' },
      { name: 'd/ok', type: 'symlink', linkname: '../run' },
      { name: 'dev', type: 'character-device' },
      { name: 'run', text: 'x', mode: 0o4755 },
      { name: 'again', type: 'link', linkname: 'run' },
    ]);
    expect(readdirSync(at('out')).sort()).toEqual(['again', 'd', 'run']);
    expect(readdirSync(at('out/d'))).toEqual(['ok']);
    expect(statSync(at('out/run')).mode & 0o7777).toBe(0o755);
    expect(notes).toHaveLength(3);
  });

  it('is refused when it breaks off', async () => {
    mkdirSync(at('out'));
    const tar = pack();
    tar.entry({ name: 'a', size: 100 }).write(Buffer.from('half'));
    const cut = Readable.from([Buffer.alloc(700, 1)]);
    await expect(new Unpacker(at('out')).run(cut)).rejects.toMatchObject({ code: 'invalid_archive' });
  });
});
