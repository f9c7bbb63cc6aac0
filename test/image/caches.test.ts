import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { inRoot, provisionedRoot } from './root.mjs';

let root: string;
let scratch: string;
let env: Record<string, string>;
beforeAll(() => {
  root = provisionedRoot();
  env = JSON.parse(readFileSync(join(root, 'etc/devctl/agent.json'), 'utf8')).env;
});
beforeEach(() => {
  scratch = mkdtempSync(join(tmpdir(), 'devctl-caches-'));
  inRoot(root, ['install', '-d', '-o', 'dev', '-g', 'dev', '/workspace/src', '/workspace/home', '/workspace/cache'], { scratch });
});
afterEach(() => rmSync(scratch, { recursive: true, force: true }));

/** As a command of the workload runs: as dev, with its environment; and with no network at all. */
const asDev = (script: string, more: Record<string, string> = {}) =>
  inRoot(root, ['setpriv', '--reuid', '1000', '--regid', '1000', '--init-groups', 'bash', '-c', `cd /workspace/src && ${script}`], {
    scratch,
    network: false,
    env: { ...env, ...more },
  });

const PROJECT = JSON.stringify({
  name: 'shop',
  private: true,
  dependencies: { zod: '^4.0.0' },
  devDependencies: { typescript: '^5.9.0', vitest: '~4.1.0' },
});
const write = `printf '%s' '${PROJECT}' >package.json`;
const lock = 'npm install --package-lock-only --offline --no-audit --no-fund >/dev/null';

describe('the cache of npm', () => {
  it('installs a project in the range of the list with no network, the first time', () => {
    const { status, stdout, stderr } = asDev(
      `${write} && ${lock} && grep -c '"resolved"' package-lock.json && rm -rf node_modules &&
      npm ci --offline --no-audit --no-fund && npx tsc --version && npx vitest --version && stat -c %U ../cache/npm`,
    );
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(Number(stdout.split('\n', 1)[0])).toBeGreaterThan(10);
    expect(stdout).toMatch(/added \d+ packages/);
    expect(stdout).toMatch(/^Version 5\.9\./m);
    expect(stdout).toMatch(/^vitest\/4\.1\./m);
    expect(stdout).toMatch(/^dev$/m);
  });

  it('is what made that possible', () => {
    const { status, stderr } = asDev(`${write} && ${lock} && rm -rf ../cache/npm && npm ci --offline --no-audit --no-fund`, {
      DEVCTL_NPM_CACHE: '/nonexistent',
    });
    expect({ status, stderr }).toEqual({ status: 1, stderr: expect.stringContaining('ENOTCACHED') });
  });

  it('leaves a workspace’s own cache alone, and what is not in the workspace', () => {
    const own = asDev('mkdir -p ../cache/npm && echo mine >../cache/npm/note && npm --version && ls ../cache/npm');
    expect(own.stdout).toMatch(/^\d+\.\d+\.\d+\nnote\n/);
    const elsewhere = asDev('rm -r ../cache/npm && npm --version && ls -A /workspace/cache', { npm_config_cache: '/tmp/npm' });
    expect(elsewhere.stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  });

  it('that is damaged is as if there were none', () => {
    const damaged = `head -c 100000 /var/cache/devctl/npm.tar >/workspace/home/half.tar && npm --version && ls -A /workspace/cache`;
    const { status, stdout } = asDev(damaged, { DEVCTL_NPM_CACHE: '/workspace/home/half.tar' });
    expect({ status, stdout }).toEqual({ status: 0, stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) });
  });

  it('is laid once by many that come at once', () => {
    const { status, stdout, stderr } = asDev(
      `${write} && for _ in 1 2 3 4; do npm --version >/dev/null & done; wait; ls -A /workspace/cache && ${lock} && npm ci --offline --no-audit --no-fund`,
    );
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).toMatch(/^npm\n/);
  });
});

describe('the cache of pip', () => {
  it('is where pip looks by itself', () => {
    expect(asDev('python3 -m pip config list').stdout).toContain("global.find-links='/var/cache/devctl/wheels'");
  });
});
