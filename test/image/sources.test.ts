import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import lock from '../../package-lock.json' with { type: 'json' };
import { missingForBake } from '../../packer/bake.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const packerDir = join(root, 'packer');
const read = (path: string) => readFileSync(join(root, path), 'utf8');
const run = (command: string, args: string[], cwd = root) => spawnSync(command, args, { cwd, encoding: 'utf8' });

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'devctl-sources-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

describe('shell scripts', () => {
  it('pass shellcheck, all of the repository', () => {
    const files = run('git', ['ls-files', '--cached', '--others', '--exclude-standard']).stdout.split('\n');
    const scripts = files.filter((file) => {
      if (file === '' || file.startsWith('docs/')) return false;
      try {
        return file.endsWith('.sh') || /^#!.*\b(ba)?sh\b/.test(read(file).slice(0, 64));
      } catch {
        return false;
      }
    });
    expect(scripts).toEqual(expect.arrayContaining(['.ci/run', 'packer/verify.sh', 'packer/files/usr/lib/devctl/seed-npm']));
    const { status, stdout } = run('shellcheck', scripts);
    expect({ status, stdout }).toEqual({ status: 0, stdout: '' });
  });
});

describe('templates for Packer', () => {
  const VARIABLES = {
    region: 'eu-central-1',
    deployment: 'devctl',
    subnet_id: 'subnet-1',
    security_group_id: 'sg-1',
    instance_profile: 'box',
  };
  const words = Object.entries(VARIABLES).flatMap(([name, value]) => ['-var', `${name}=${value}`]);

  /** As they are, but for the block that this Packer may be too old for, in a file of its own. */
  function templates(change: (text: string) => string = (text) => text): string {
    const to = join(dir, 'packer');
    cpSync(packerDir, to, { recursive: true, filter: (path) => !path.endsWith('plugins.pkr.hcl') });
    cpSync(join(root, 'dist'), join(dir, 'dist'), { recursive: true });
    writeFileSync(join(to, 'box.pkr.hcl'), change(readFileSync(join(to, 'box.pkr.hcl'), 'utf8')));
    return to;
  }

  it('are valid, and formatted', () => {
    const to = templates();
    expect(run('packer', ['validate', '-syntax-only', ...words, '.'], to)).toMatchObject({ status: 0 });
    expect(run('packer', ['fmt', '-check', packerDir])).toMatchObject({ status: 0 });
    expect(read('packer/plugins.pkr.hcl')).toMatch(/required_plugins/);
  });

  it('ask the builder for nothing that it does not know', () => {
    // Packer 1.6 knows all but these two, which came with version 1 of the plugin.
    const to = templates((text) => text.replace(/^ {2}metadata_options \{[^}]*\}\n/m, '').replace(/^ {2}imds_support .*\n/m, ''));
    const { status, stdout } = run('packer', ['validate', ...words, '.'], to);
    expect({ status, stdout }).toMatchObject({ status: 0 });
    for (const wrong of ['arch=mips', 'ubuntu=20.04'])
      expect(run('packer', ['validate', ...words, '-var', wrong, '.'], to).status, wrong).not.toBe(0);
  });

  it('open no port, encrypt, ask the metadata service with a token, and name no box of the launcher', () => {
    const text = read('packer/box.pkr.hcl');
    expect(text).toMatch(/ssh_interface\s+= "session_manager"/);
    expect(text).toMatch(/security_group_ids\s+= \[var\.security_group_id\]/);
    expect(text).toMatch(/http_tokens\s+= "required"/);
    expect(text).toMatch(/imds_support\s+= "v2\.0"/);
    expect(text).toMatch(/encrypted\s+= true/);
    expect(text).toMatch(/"devctl:image-of"\s+= var\.deployment/);
    // Machines and snapshots with this tag are the launcher's to let go.
    expect(text).not.toMatch(/"devctl:deployment"\s*=/);
  });
});

describe('versions and checksums', () => {
  const entries = new Map(
    read('packer/versions.env')
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'))
      .map((line) => /^([A-Z0-9_]+)=(\S*)$/.exec(line)?.slice(1) as [string, string]),
  );

  it('are a plain list, each checksum empty or whole', () => {
    for (const [name, value] of entries) {
      if (name.includes('SHA256')) expect(value, name).toMatch(/^([0-9a-f]{64})?$/);
      else if (name.endsWith('INTEGRITY')) expect(value, name).toMatch(/^sha512-[A-Za-z0-9+/]{86}==$/);
      else expect(value, name).toMatch(/^[0-9A-Za-z.]+$/);
    }
  });

  it('are those that this repository is tested with', () => {
    const packages = lock.packages as Record<string, { version?: string; integrity?: string }>;
    const pty = packages['node_modules/@lydell/node-pty'];
    expect(entries.get('NODE_PTY_VERSION')).toBe(pty?.version);
    expect(entries.get('NODE_PTY_INTEGRITY')).toBe(pty?.integrity);
    expect(entries.get('NODE_PTY_LINUX_X64_INTEGRITY')).toBe(packages['node_modules/@lydell/node-pty-linux-x64']?.integrity);
    expect(entries.get('NODE_PTY_LINUX_ARM64_INTEGRITY')).toBe(packages['node_modules/@lydell/node-pty-linux-arm64']?.integrity);
  });

  it('stop a bake that would go on without one', () => {
    const empty = [...entries].filter(([name, value]) => value === '' && !name.endsWith('_ARM64')).map(([name]) => name);
    const found = missingForBake(root, 'x86_64', { PATH: process.env['PATH'] });
    const line = found.find((one) => one.includes('versions.env'));
    if (empty.length === 0) expect(line).toBeUndefined();
    else expect(line).toBe(`packer/versions.env has no ${empty.join(', ')}: run packer/pin.sh, review what it writes, and commit it`);
    // The steps themselves, too.
    cpSync(join(packerDir, 'provision'), join(dir, 'provision'), { recursive: true });
    writeFileSync(join(dir, 'versions.env'), 'AWS_CLI_SHA256_AMD64=\n');
    const step = run('bash', ['-c', '. ./provision/lib.sh; got=$(pinned AWS_CLI_SHA256_AMD64); echo "went on with $got"'], dir);
    expect(step).toMatchObject({
      status: 1,
      stdout: '',
      stderr: expect.stringContaining('versions.env has no AWS_CLI_SHA256_AMD64: run packer/pin.sh'),
    });
  });

  it('that are known are kept by pin.sh, and a file that is another now is told', () => {
    for (const name of ['pin.sh', 'versions.env']) cpSync(join(packerDir, name), join(dir, name));
    const text = readFileSync(join(dir, 'versions.env'), 'utf8');
    // Only what the npm registry has is looked up here.
    const known = text.replace(/^(\w+SHA256\w*)=$/gm, `$1=${'0'.repeat(64)}`).replace(/^AWS_CDK_INTEGRITY=.*$/m, 'AWS_CDK_INTEGRITY=');
    writeFileSync(join(dir, 'versions.env'), known);
    expect(run('bash', ['pin.sh'], dir)).toMatchObject({ status: 0, stdout: `AWS_CDK_INTEGRITY=${entries.get('AWS_CDK_INTEGRITY')}\n` });
    expect(readFileSync(join(dir, 'versions.env'), 'utf8')).toBe(text.replace(/^(\w+SHA256\w*)=$/gm, `$1=${'0'.repeat(64)}`));
    expect(run('bash', ['pin.sh', '--most'], dir)).toMatchObject({ status: 2, stderr: 'usage: packer/pin.sh [--all]\n' });
  });
});

it('every unit that is masked has its reason', () => {
  const lines = read('packer/files/etc/devctl/masked-units')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));
  expect(lines.length).toBeGreaterThan(20);
  for (const line of lines) expect(line).toMatch(/^[\w@.-]+\.(service|socket|timer|target)\s{2,}\S.+$/);
  const units = lines.map((line) => line.split(' ', 1)[0]);
  expect(new Set(units).size).toBe(units.length);
});
