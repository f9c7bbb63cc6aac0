import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { bubblewrapArgv } from '../../../launcher/providers/local/bubblewrap.ts';
import { findConfinement } from '../../../launcher/providers/local/confinement.ts';
import { nodeFolders } from '../../../launcher/providers/local/host-view.ts';
import { boxIdOf, Layout, volumeIdOf } from '../../../launcher/providers/local/layout.ts';
import { markedByPs } from '../../../launcher/providers/local/plain-processes.ts';
import { identityFromStat } from '../../../launcher/providers/local/process-identity.ts';
import type { SandboxSpec } from '../../../launcher/providers/local/sandbox-spec.ts';
import { unshareArgv } from '../../../launcher/providers/local/unshare.ts';

const folders: string[] = [];
const folder = () => {
  const made = mkdtempSync(join(tmpdir(), 'devctl-unit-'));
  folders.push(made);
  return made;
};
afterEach(() => {
  for (const path of folders.splice(0)) rmSync(path, { recursive: true, force: true });
});

const spec = (patch: Partial<SandboxSpec> = {}): SandboxSpec => ({
  mounts: [
    { kind: 'tmpfs', to: '/run', mode: 0o755 },
    { kind: 'ro', from: '/usr', to: '/usr' },
    { kind: 'link', target: 'usr/bin', to: '/bin' },
    { kind: 'rw', from: '/state/v', to: '/workspace' },
    { kind: 'ro', from: '/a', to: '/opt/devctl/agent.cjs' },
  ],
  env: {},
  hostname: 'shop',
  network: true,
  identity: { kind: 'drop', uid: 70_000, gid: 70_000 },
  command: ['node', 'agent.cjs'],
  cwd: '/',
  processLimit: null,
  ...patch,
});

describe.each([
  ['bubblewrap', bubblewrapArgv],
  ['unshare', unshareArgv],
] as const)('arguments of %s', (_name, argvOf) => {
  it('the network is kept only when it is wanted', () => {
    expect(argvOf('x', spec()).join(' ')).not.toMatch(/--(unshare-)?net/);
    expect(argvOf('x', spec({ network: false })).join(' ')).toMatch(/--(unshare-)?net/);
  });

  it('root gives up every right; an ordinary user is mapped', () => {
    expect(argvOf('x', spec())).toEqual(
      expect.arrayContaining(['--reuid=70000', '--clear-groups', '--bounding-set=-all', '--no-new-privs']),
    );
    const mapped = argvOf('x', spec({ identity: { kind: 'map', uid: 1000, gid: 1000 } })).join(' ');
    expect(mapped).toMatch(/--(unshare-)?user/);
    expect(mapped).not.toContain('--reuid');
    expect(argvOf('x', spec({ processLimit: 99 }))).toContain('--nproc=99');
  });

  it('nothing that varies becomes text of a script, and nothing is lost', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1 }), fc.string({ minLength: 1 }), (from, word) => {
        const path = `/${from}`;
        const argv = argvOf('x', spec({ mounts: [{ kind: 'rw', from: path, to: '/workspace' }], command: ['node', word] }));
        expect(argv).toContain(path);
        expect(argv.at(-1)).toBe(word);
        const scripts = argv.filter((_text, index) => argv[index - 1] === '-c');
        expect(scripts).toEqual(argvOf('x', spec()).filter((_text, index, all) => all[index - 1] === '-c'));
      }),
    );
  });
});

describe('what of the host is shown with node', () => {
  it('its own installation, but never a home or the root', () => {
    const home = folder();
    const nvm = join(home, 'versions', 'v20', 'bin');
    mkdirSync(nvm, { recursive: true });
    writeFileSync(join(nvm, 'node'), '');
    expect(nodeFolders(join(nvm, 'node'))).toEqual([dirname(nvm)]);
    expect(nodeFolders(process.execPath).some((path) => homedir() === path || homedir().startsWith(`${path}/`))).toBe(false);
    const flat = join(home, 'node');
    writeFileSync(flat, '');
    expect(nodeFolders(flat)).toEqual([flat]);
  });
});

describe('ids and paths', () => {
  it('follow from the operation, and cannot lead elsewhere', () => {
    expect(boxIdOf('op')).toBe(boxIdOf('op'));
    expect(boxIdOf('op')).not.toBe(boxIdOf('op2'));
    const layout = new Layout(folder());
    expect(layout.box(boxIdOf('op')).dir.endsWith(boxIdOf('op'))).toBe(true);
    expect(layout.volume(volumeIdOf('op')).tree).toMatch(/\/tree$/);
    for (const id of ['..', '../x', 'box_', '', 'box_0123456789abcdeg', '/etc']) {
      expect(() => layout.box(id)).toThrow(expect.objectContaining({ kind: 'missing' }));
      expect(() => layout.volume(id)).toThrow(expect.objectContaining({ kind: 'missing' }));
      expect(() => layout.snapshot({ workspaceId: id, id: 'snap_1' })).toThrow(expect.objectContaining({ kind: 'missing' }));
    }
  });
});

describe('which process it is', () => {
  it('number, start and boot', () => {
    const line = '42 (sh) S 7 42 42 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 98765 1 2';
    expect(identityFromStat(line, 'boot')).toEqual({ pid: 42, startTicks: '98765', bootId: 'boot', state: 'S', ppid: 7 });
    for (const text of ['', '42', '42 (sh) S 7']) expect(identityFromStat(text, 'boot')).toBeNull();
  });

  it('plain boxes: by their mark, whole words only', () => {
    const text = `  100 node x IN_DEVCTL_BOX=box_1 HOME=/h\n  101 node y IN_DEVCTL_BOX=box_12 A=b\n 102 sh\n${process.pid} me IN_DEVCTL_BOX=box_1 x\n`;
    expect(markedByPs('box_1', text)).toEqual([100]);
  });
});

describe('limits', () => {
  const file = (path: string, text = '') => {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
  };
  const read = (path: string) => readFileSync(path, 'utf8');

  it('cgroup v2 where memory, cpu and pids are offered', () => {
    const root = folder();
    file(join(root, 'cgroup.controllers'), 'cpuset cpu io memory pids\n');
    file(join(root, 'cgroup.subtree_control'));
    const limits = findConfinement(root);
    expect(limits.description).toMatch(/^cgroup v2/);
    const [place] = limits.foldersFor('box_1') as [string];
    for (const name of ['memory.max', 'pids.max', 'cpu.max', 'cgroup.procs']) file(join(place, name));
    expect(limits.open([place], 'medium')).toEqual([join(place, 'cgroup.procs')]);
    expect(read(join(place, 'memory.max'))).toBe(String(4096 * 1024 ** 2));
    expect(read(join(place, 'cpu.max'))).toBe('200000 100000');
    expect(read(join(root, 'cgroup.subtree_control'))).toContain('+memory');
    file(join(place, 'cgroup.procs'), '12\n13\n');
    expect(limits.members([place, '/nowhere'])).toEqual([12, 13]);
    expect(limits.close(['/nowhere'])).toEqual([]);
    // The kernel has not let it go yet: it is named, to be tried again.
    expect(limits.close([place])).toEqual([place]);
  });

  it('cgroup v2 in the cgroup that the launcher was given, and none where it cannot be divided', () => {
    const root = folder();
    const self = join(root, 'self');
    file(self, '0::/user.slice/devctl.service\n');
    const own = join(root, 'user.slice/devctl.service');
    file(join(own, 'cgroup.controllers'), 'cpu memory pids\n');
    file(join(own, 'cgroup.subtree_control'));
    expect(findConfinement(root, self).foldersFor('box_1')).toEqual([join(own, 'devctl/box_1')]);
    expect(read(join(own, 'cgroup.subtree_control'))).toContain('+memory');
    rmSync(join(own, 'cgroup.subtree_control'));
    // Nothing can be written to that.
    mkdirSync(join(own, 'cgroup.subtree_control'));
    expect(findConfinement(root, self).processLimit).toBeGreaterThan(0);
    expect(findConfinement(root, join(root, 'nowhere')).processLimit).toBeGreaterThan(0);
  });

  it('cgroup v1 where all three hierarchies are writable, else only the number of processes', () => {
    const root = folder();
    for (const name of ['memory', 'cpu', 'pids']) mkdirSync(join(root, name));
    const limits = findConfinement(root);
    expect(limits.description).toMatch(/^cgroup v1/);
    expect(limits.foldersFor('box_1')).toHaveLength(3);
    rmSync(join(root, 'pids'), { recursive: true });
    const less = findConfinement(root);
    expect(less.processLimit).toBeGreaterThan(0);
    expect(less.open(less.foldersFor('box_1'), 'small')).toEqual([]);
    expect(less.description).toMatch(/memory is not bounded/);
  });
});
