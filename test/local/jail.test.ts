import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { findTool } from '../../launcher/providers/local/isolation.ts';
import { jailArgv } from '../../launcher/providers/local/jail.ts';

const dir = mkdtempSync(join(tmpdir(), 'devctl-jail-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const tree = join(dir, 'tree');
const target = join(dir, 'target');
const secret = join(dir, 'secret');
mkdirSync(tree);
mkdirSync(target);
writeFileSync(join(tree, 'own'), 'of the tree');
writeFileSync(secret, 'canary of the host');
symlinkSync(secret, join(tree, 'link'));
symlinkSync(`/proc/${process.pid}/root${secret}`, join(tree, 'through-proc'));
symlinkSync(`/proc/1/root${secret}`, join(tree, 'through-init'));

function inJail(...command: string[]): string {
  const isRoot = process.getuid?.() === 0;
  const [program, ...args] = jailArgv(findTool('unshare') ?? '', findTool('setpriv') ?? '', isRoot, tree, target, command);
  const env = { PATH: '/usr/bin:/bin:/usr/sbin:/sbin' };
  return execFileSync(program as string, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], env });
}

it('a copy reads its tree and writes its target', () => {
  inJail('cp', '-a', '-T', '--', '/from', '/to/copy');
  expect(readFileSync(join(target, 'copy/own'), 'utf8')).toBe('of the tree');
});

it.each(['link', 'through-proc', 'through-init'])('no link leads a copy to the host: %s', (name) => {
  expect(readFileSync(join(tree, 'link'), 'utf8')).toBe('canary of the host');
  expect(() => inJail('cat', `/from/${name}`)).toThrow(/No such file/);
});

it('the tree is not writable, and nothing else of the host is there', () => {
  expect(() => inJail('touch', '/from/new')).toThrow(/Read-only/);
  expect(existsSync(join(tree, 'new'))).toBe(false);
  const names = inJail('ls', '/').trim().split('\n');
  expect(names).toEqual(expect.arrayContaining(['from', 'to', 'usr']));
  for (const name of ['home', 'root', 'etc', 'tmp', 'run', 'var']) expect(names).not.toContain(name);
});
