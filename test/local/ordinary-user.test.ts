import { execFile } from 'node:child_process';
import { chmodSync, chownSync, cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { eachIsolation } from './isolations.ts';
import { PACKAGE_ROOT } from './local-harness.ts';
import type { Seen } from './ordinary-user.ts';

const run = promisify(execFile);
/** Somebody who has nothing here. */
const UID = 54_321;
const isRoot = process.getuid?.() === 0;

let folder: string;
let node: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'devctl-user-'));
  chmodSync(folder, 0o755);
  if (isRoot) chownSync(folder, UID, UID);
  // The package may lie where only its owner may look: what a box is made of goes where this user can read it.
  for (const part of ['dist/agent.cjs', 'node_modules/@lydell']) cpSync(join(PACKAGE_ROOT, part), join(folder, part), { recursive: true });
  // So may the Node that runs this.
  node = process.execPath.startsWith(PACKAGE_ROOT) ? join(folder, 'node') : process.execPath;
  if (node !== process.execPath) cpSync(process.execPath, node);
  await build({
    entryPoints: [join(PACKAGE_ROOT, 'test/local/ordinary-user.ts')],
    outfile: join(folder, 'main.mjs'),
    bundle: true,
    platform: 'node',
    format: 'esm',
    logLevel: 'error',
    define: { 'import.meta.url': JSON.stringify(pathToFileURL(join(folder, 'test/local/local-harness.ts')).href) },
  });
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

eachIsolation('an ordinary user with %s', (isolation) => {
  it('gets boxes, snapshots and restores', async () => {
    const { stdout } = await run(node, [join(folder, 'main.mjs'), join(folder, `state-${isolation}`), isolation], {
      ...(isRoot && { uid: UID, gid: UID }),
      env: { PATH: process.env['PATH'], HOME: folder, TMPDIR: folder },
      cwd: folder,
    });
    const seen = JSON.parse(stdout) as Seen;
    if (isRoot) expect(seen.uid).toBe(UID);
    expect(seen.who).toMatch(/^1000\ndev\nCapEff:\s+0000000000000000\nNoNewPrivs:\s+1$/);
    expect(seen.restored).toBe(`${seen.content}\nshut 0\ndry 555\nx`);
    expect(seen.snapshot.state).toBe('completed');
    expect(seen.left).toEqual([]);
  });
});
