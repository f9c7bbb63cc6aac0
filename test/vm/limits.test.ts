import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import { beforeAll, describe, expect, it } from 'vitest';
import { PACKAGE_ROOT } from '../local/local-harness.ts';
import type { Seen } from './limits-seen.ts';
import { runMachine } from './machine.ts';

/** Each launcher in its place in the tree of cgroups. */
const SCRIPT = `
tell root node /app/test/vm/main.mjs /tmp/root

cgroups=/sys/fs/cgroup
echo '+memory +pids +cpu' > $cgroups/cgroup.subtree_control
mkdir $cgroups/user && chown 1000:1000 $cgroups/user $cgroups/user/cgroup.procs $cgroups/user/cgroup.subtree_control
as_user() { echo 0 > $cgroups/user/cgroup.procs; exec setpriv --reuid=1000 --regid=1000 --clear-groups node /app/test/vm/main.mjs "$1"; }
tell user eval '(as_user /tmp/user)'

mkdir $cgroups/company
in_company() {
  echo 0 > $cgroups/company/cgroup.procs
  sleep 10000 </dev/null >/dev/null 2>&1 &
  exec unshare --cgroup --mount sh -c 'umount /sys/fs/cgroup && mount -t cgroup2 cgroup2 /sys/fs/cgroup && exec node /app/test/vm/main.mjs "$1"' sh "$1"
}
tell company eval '(in_company /tmp/company)'
`;

describe('limits on a kernel with cgroup v2 alone', () => {
  let seen: Record<'root' | 'user' | 'company', Seen>;
  beforeAll(async () => {
    const folder = mkdtempSync(join(tmpdir(), 'devctl-vm-program-'));
    const outfile = join(folder, 'main.mjs');
    await build({
      entryPoints: [join(PACKAGE_ROOT, 'test/vm/limits-seen.ts')],
      outfile,
      bundle: true,
      platform: 'node',
      format: 'esm',
      logLevel: 'error',
    });
    const files = { [outfile]: '/app/test/vm/main.mjs', [join(PACKAGE_ROOT, 'dist/agent.cjs')]: '/app/dist/agent.cjs' };
    seen = (await runMachine(files, SCRIPT)) as typeof seen;
    rmSync(folder, { recursive: true, force: true });
  });

  it.each(['root', 'user'] as const)('are in force for the boxes of %s, who was given a cgroup, and go with them', (who) => {
    expect(seen[who]).toMatchObject({
      doctor: 'cgroup v2: memory, cpu and number of processes',
      folders: [expect.any(String)],
      bounds: { 'memory.max': String(2048 * 1024 ** 2), 'memory.swap.max': '0', 'pids.max': '2048', 'cpu.max': '100000 100000' },
      works: 'works',
      left: [],
    });
    expect(seen[who].counted).toBeGreaterThan(1);
  });

  it('are said not to hold where others share the cgroup of the launcher, and boxes work', () => {
    expect(seen.company).toMatchObject({ doctor: expect.stringMatching(/^number of processes only/), folders: [], works: 'works' });
  });
});
