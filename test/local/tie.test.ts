import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it, onTestFinished } from 'vitest';
import { findTool } from '../../launcher/providers/local/isolation.ts';
import { jailArgv } from '../../launcher/providers/local/jail.ts';
import { ASSERT_PARENT, tiedTo } from '../../launcher/providers/local/tie.ts';
import { Trees } from '../../launcher/providers/local/trees.ts';

const dir = mkdtempSync(join(tmpdir(), 'devctl-tie-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));
const isRoot = process.getuid?.() === 0;
const setpriv = findTool('setpriv') ?? '';
const env = { PATH: '/usr/bin:/bin:/usr/sbin:/sbin' };

describe('a tool of a launcher', () => {
  const busy = 'sleep 4751 & echo up; wait';
  it.each([
    ['', () => [...tiedTo(setpriv, process.pid), 'sh', '-c', 'echo up; exec sleep 4750']],
    [
      ' in its jail, with what it has started',
      () => jailArgv(findTool('unshare') ?? '', setpriv, isRoot, dir, dir, ['/bin/sh', '-c', busy]),
    ],
  ])('ends with it%s', async (_name, argv) => {
    // A launcher of one line, that is whom the arguments name.
    const launcher = `const [own, ...argv] = JSON.parse(process.argv[1]);
      const [file, ...args] = argv.map((word) => (word === own ? String(process.pid) : word));
      require('child_process').spawn(file, args, { stdio: ['ignore', 'inherit', 'inherit'] });`;
    const child = spawn(process.execPath, ['-e', launcher, JSON.stringify([String(process.pid), ...argv()])], { env, stdio: 'pipe' });
    const [first] = await once(child.stdout, 'data');
    expect(String(first)).toBe('up\n');
    child.kill('SIGKILL');
    // The pipe closes when the last of them has gone.
    await once(child.stdout, 'close');
  });

  it('does nothing when its launcher is gone before it could ask to be told', () => {
    const [file, ...args] = [...tiedTo(setpriv, 1), 'echo', 'ran'];
    expect(spawnSync(file as string, args, { env, encoding: 'utf8' })).toMatchObject({ status: 70, stdout: '' });
  });

  it('does nothing in its jail when what built the jail is gone before it could ask', () => {
    const run = (parent: number) =>
      spawnSync('/bin/sh', ['-c', `set -eu\n${ASSERT_PARENT}\necho ran`], { env: { ...env, parent: String(parent) }, encoding: 'utf8' });
    expect(run(1)).toMatchObject({ status: 70, stdout: '' });
    expect(run(process.pid)).toMatchObject({ status: 0, stdout: 'ran\n' });
  });
});

describe('what is half done', () => {
  const trees = () => new Trees(dir, isRoot, true, { bytes: (length) => randomBytes(length) });

  it('is swept while something still writes to it: out of sight at once, and gone when the writer is', async () => {
    const folder = join(dir, 'sweep');
    mkdirSync(join(folder, '.partial-snap_1-00/tree'), { recursive: true });
    mkdirSync(join(folder, '.trash-vol_1-00/tree'), { recursive: true });
    const endless = 'cd "$1" && echo up && i=0 && while :; do i=$((i+1)); mkdir -p "../$i/$i" "$i/$i" 2>/dev/null; done';
    const writer = spawn('/bin/sh', ['-c', endless, 'writer', join(folder, '.partial-snap_1-00/tree')], {
      env,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    onTestFinished(() => void writer.kill('SIGKILL'));
    await once(writer.stdout, 'data');
    const left = await trees().clear(folder);
    expect(left.length).toBeLessThanOrEqual(1);
    expect(readdirSync(folder).filter((name) => !name.startsWith('.trash-') || name === '.trash-vol_1-00')).toEqual([]);
    writer.kill('SIGKILL');
    await once(writer, 'exit');
    expect(await trees().clear(folder)).toEqual([]);
    expect(readdirSync(folder)).toEqual([]);
  });

  it.runIf(isRoot)('is left for the next time when it cannot be deleted now', async () => {
    const folder = join(dir, 'stuck');
    mkdirSync(join(folder, '.trash-vol_1-00/mounted'), { recursive: true });
    execFileSync('mount', ['-t', 'tmpfs', 'devctl-test', join(folder, '.trash-vol_1-00/mounted')]);
    expect(await trees().clear(folder)).toEqual([expect.stringContaining('busy')]);
    execFileSync('umount', [join(folder, '.trash-vol_1-00/mounted')]);
    expect(await trees().clear(folder)).toEqual([]);
    expect(readdirSync(folder)).toEqual([]);
  });
});
