import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  forgetWorkspace,
  knownFolders,
  nameFrom,
  nameOfAddress,
  nameOfFolder,
  numbered,
  recall,
  remember,
  workspaceAround,
  workspaceOf,
} from '../../../launcher/cli/folders.ts';
import { type Home, homeAt, tilde } from '../../../launcher/cli/home.ts';
import { readSource } from '../../../launcher/cli/source.ts';
import { UsageError } from '../../../launcher/cli/usage-error.ts';
import { workspaceNameSchema } from '../../../launcher/contract/fields.ts';

let dir: string;
let home: Home;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'devctl-folders-'));
  home = homeAt(join(dir, 'state'), {});
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

describe('names of workspaces', () => {
  it.each([
    ['/home/me/Shop', 'shop'],
    ['/home/me/My Shop (2)', 'my-shop-2'],
    ['/home/me/.dotfiles', 'dotfiles'],
    ['/home/me/Café', 'cafe'],
    ['/home/me/日本', 'workspace'],
    ['/', 'workspace'],
    [`/x/${'a'.repeat(60)}`, 'a'.repeat(48)],
  ])('the folder %s is %s', (folder, name) => {
    expect(nameOfFolder(folder)).toBe(name);
  });

  it.each([
    ['https://github.com/honojs/hono', 'hono'],
    ['https://github.com/honojs/hono.git/', 'hono'],
    ['git@github.com:team/Big_Shop.git', 'big-shop'],
    ['ssh://host/shop?x#y', 'shop'],
  ])('the address %s is %s', (url, name) => {
    expect(nameOfAddress(url)).toBe(name);
  });

  it('are always what the contract allows', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 200, unit: 'grapheme' }), fc.integer({ min: 2, max: 99_999 }), (text, n) => {
        const name = nameFrom(text);
        expect(workspaceNameSchema.safeParse(name).success).toBe(true);
        expect(workspaceNameSchema.safeParse(numbered(name, n)).success).toBe(true);
      }),
    );
  });
});

describe('which workspace a folder has', () => {
  it('is remembered for each target, and found from within', () => {
    remember(home, 'local', '/code/shop', 'shop');
    remember(home, 'aws', '/code/shop', 'shop-2');
    expect(workspaceOf(home, 'local', '/code/shop')).toBe('shop');
    expect(workspaceOf(home, 'aws', '/code/shop')).toBe('shop-2');
    expect(workspaceOf(home, 'local', '/code/other')).toBeNull();
    expect(workspaceAround(home, 'local', '/code/shop/packages/api')).toEqual({ name: 'shop', folder: '/code/shop' });
    expect(workspaceAround(home, 'local', '/code')).toBeNull();
    expect(knownFolders(home, 'aws')).toEqual([{ folder: '/code/shop', name: 'shop-2' }]);
  });

  it('is forgotten with the workspace, on that target alone', () => {
    remember(home, 'local', '/code/shop', 'shop');
    remember(home, 'aws', '/code/shop', 'shop');
    forgetWorkspace(home, 'local', 'shop');
    expect(workspaceOf(home, 'local', '/code/shop')).toBeNull();
    expect(workspaceOf(home, 'aws', '/code/shop')).toBe('shop');
    forgetWorkspace(home, 'aws', 'shop');
    expect(readdirSync(home.foldersDir)).toEqual([]);
  });

  it('has the workspace of before again when the lease of another was refused', () => {
    remember(home, 'local', '/code/shop', 'shop');
    remember(home, 'local', '/code/shop', 'refused');
    recall(home, 'local', '/code/shop', 'shop');
    expect(workspaceOf(home, 'local', '/code/shop')).toBe('shop');
    remember(home, 'local', '/code/new', 'refused');
    recall(home, 'local', '/code/new', null);
    recall(home, 'local', '/code/never', null);
    expect(knownFolders(home, 'local')).toEqual([{ folder: '/code/shop', name: 'shop' }]);
  });

  it('survives a damaged file, and keeps files to their owner', () => {
    remember(home, 'local', '/code/shop', 'shop');
    const [file] = readdirSync(home.foldersDir) as [string];
    expect(statSync(join(home.foldersDir, file)).mode & 0o777).toBe(0o600);
    writeFileSync(join(home.foldersDir, file), '{"folder":');
    expect(workspaceOf(home, 'local', '/code/shop')).toBeNull();
    remember(home, 'local', '/code/shop', 'shop');
    expect(workspaceOf(home, 'local', '/code/shop')).toBe('shop');
  });
});

describe('what SOURCE is', () => {
  it.each([
    [undefined, { kind: 'folder', folder: '/here' }],
    ['.', { kind: 'folder', folder: '/here' }],
    ['./x', { kind: 'folder', folder: '/here/x' }],
    ['../y/', { kind: 'folder', folder: '/y' }],
    ['/abs', { kind: 'folder', folder: '/abs' }],
    ['~', { kind: 'folder', folder: '/home/me' }],
    ['~/code', { kind: 'folder', folder: '/home/me/code' }],
    ['a/b', { kind: 'folder', folder: '/here/a/b' }],
    ['shop', { kind: 'word', word: 'shop' }],
    ['https://host/x', { kind: 'git', url: 'https://host/x' }],
    ['git@host:team/x.git', { kind: 'git', url: 'git@host:team/x.git' }],
    ['file:///etc', { kind: 'git', url: 'file:///etc' }],
    ['ext::sh -c id', { kind: 'git', url: 'ext::sh -c id' }],
  ])('%s', (text, word) => {
    expect(readSource(text, '/here', '/home/me')).toEqual(word);
  });

  it('is not an empty word', () => {
    expect(() => readSource('', '/here', undefined)).toThrow(UsageError);
  });
});

describe('the state folder', () => {
  it('follows DEVCTL_HOME, then XDG, then the home folder', () => {
    expect(homeAt('/x/y', {}).dir).toBe('/x/y');
    expect(homeAt(undefined, { XDG_DATA_HOME: '/data', HOME: '/home/me' }).dir).toBe('/data/devctl');
    expect(homeAt(undefined, { HOME: '/home/me' }).dir).toBe('/home/me/.local/share/devctl');
    mkdirSync(join(dir, 'deep'));
    expect(homeAt('rel', {}).dir).toBe(join(process.cwd(), 'rel'));
  });

  it('is written as people write it', () => {
    expect(tilde('/home/me/x', { HOME: '/home/me' })).toBe('~/x');
    expect(tilde('/home/me', { HOME: '/home/me' })).toBe('~');
    expect(tilde('/home/melanie', { HOME: '/home/me' })).toBe('/home/melanie');
    expect(tilde('/x', { HOME: '/' })).toBe('/x');
  });
});
