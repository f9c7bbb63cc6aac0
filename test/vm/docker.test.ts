import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, inject, it, vi } from 'vitest';
import { ASK_OUTSIDE, BoxBench, type Project } from './box-bench.ts';

const MINUTE_MS = 60_000;
const BOOT_MS = 5 * MINUTE_MS;
const LINES = 5;

/** Each line is on the disk before the next is written. */
const WRITER = 'n=0; while :; do n=$((n+1)); echo $n >> /data/lines; /usr/bin/sync /data/lines; /usr/bin/sleep 0.2; done';
/** Each is another layer. */
const IMPORTS = 'cd "$HOME/root"; while :; do head -c 8388608 /dev/urandom > random; tar -c . | docker import - half:latest; done';

describe('Docker of the workload, when the power of its machine is cut', { timeout: 2 * BOOT_MS }, () => {
  let bench: BoxBench;
  let project: Project;
  let outside: Server;

  beforeAll(async () => {
    outside = createServer((_, answer) => answer.end('outside')).listen(0, '127.0.0.1');
    await once(outside, 'listening');
    bench = await BoxBench.open(inject('motoUrl'));
    // QEMU's NVMe disks may lose the last of a log: see docs/TEST-VM.md.
    bench.machines.rig = { bus: 'virtio', outsidePort: (outside.address() as AddressInfo).port };
    project = bench.project('docker');
    await project.up();
    await project.dockerUp();
  });
  afterAll(async () => {
    await bench?.close();
    outside.close();
  });
  beforeEach(({ onTestFailed }) => onTestFailed(() => console.log(bench.machines.logs(), bench.laptop.logs())));

  it('runs containers, which reach what the box reaches', async () => {
    await project.makeImage('tiny');
    expect(await project.sh(`docker run --rm tiny bash -c '${ASK_OUTSIDE}'`)).toMatch(/outside$/);
  });

  it('keeps its socket when its user logs in and out', async () => {
    const login = `su - dev -c 'echo session $XDG_SESSION_ID; stat -c %F "$XDG_RUNTIME_DIR/docker.sock"'`;
    expect(await project.asRoot(login)).toMatch(/^session \S+\nsocket$/);
    await vi.waitUntil(async () => !(await project.asRoot('loginctl list-sessions --no-legend')).includes(' dev '), {
      timeout: MINUTE_MS,
      interval: 500,
    });
    expect(await project.asRoot('findmnt --noheadings /run/user/1000; systemctl --failed --no-legend')).toBe('');
    expect(await project.sh('docker image ls --quiet tiny')).not.toBe('');
  });

  it('starts on the next machine, with its images, its volumes and what is to run always', async () => {
    const { generation } = await project.status();
    await project.sh(`docker run --detach --name keeper --restart always --volume data:/data tiny bash -c '${WRITER}'`);
    const lines = async () => Number(await project.sh('docker exec keeper cat /data/lines | wc -l'));
    await vi.waitUntil(async () => (await lines()) > LINES, { timeout: MINUTE_MS, interval: 500 });
    await project.sh('sync -f /workspace/docker');
    await project.sh(`setsid sh -c '${IMPORTS}' >/dev/null 2>&1 &`);
    await vi.waitUntil(async () => (await project.sh('docker image ls half --quiet')) !== '', { timeout: MINUTE_MS, interval: 500 });
    // The last of them may be on its way.
    const told = (await lines()) - 1;
    await project.cutPower();
    await project.ready(generation + 1, BOOT_MS);
    await project.dockerUp();
    // Docker does not flush the files of a layer: what was imported in the last seconds may be short. See docs/IMAGE.md.
    console.log(await project.sh('docker run --rm half cat /random 2>&1 | wc -c'));
    expect(await project.sh('docker run --rm tiny cat /usr/bin/bash | sha256sum')).toBe(await project.sh('sha256sum - < /usr/bin/bash'));
    await vi.waitUntil(async () => (await lines()) > told, { timeout: MINUTE_MS, interval: 500 });
    const kept = (await project.sh('docker run --rm --volume data:/data tiny cat /data/lines')).trim().split('\n').map(Number);
    expect(kept.slice(0, told)).toEqual(Array.from({ length: told }, (_, n) => n + 1));
    expect(await project.asRoot('systemctl --failed --no-legend')).toBe('');
  });

  it('that does not start, for what is on the disk, is named in the log of the box with its reason', async () => {
    const broken = '/workspace/docker/volumes/metadata.db';
    await project.asRoot(`systemctl stop devctl-docker.service && echo 'no database' > ${broken}`);
    // The next agent begins as on a new machine.
    await project.asRoot('kill -KILL $(systemctl show --property=MainPID --value devctl-agent.service)');
    const said = /\[devctl\] Docker of the workload does not start: .*volume.*(invalid database|unexpected EOF).*\n/;
    await vi.waitUntil(async () => said.test((await project.run('logs', '--tail', '50')).stdout), {
      timeout: 3 * MINUTE_MS,
      interval: 2_000,
    });
    expect(await project.sh('echo works')).toBe('works\n');
    // A try that has read the broken one may be under way.
    await project.asRoot(
      `systemctl stop devctl-docker.service; rm ${broken}; systemctl reset-failed devctl-docker.service; systemctl start devctl-docker.service`,
    );
    await project.dockerUp();
    expect(await project.sh('docker image ls --quiet tiny')).not.toBe('');
  });
});
