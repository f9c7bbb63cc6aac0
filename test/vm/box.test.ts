import { spawn, spawnSync } from 'node:child_process';
import { closeSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, it, vi } from 'vitest';
import { DEVCTL } from '../local/cli-harness.ts';
import { BoxBench, type Project, sumOf } from './box-bench.ts';
import { blankDisk, copyDisk } from './disk.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const BOOT_MS = 5 * MINUTE_MS;
/** Of the volumes' first sectors: where the superblock is. */
const GARBAGE_BYTES = 64 * 1024;
const NUMBERS = 150;

/** Prints each number when it is on the disk. */
const WRITER = `
import os
fd = os.open('/workspace/src/numbers', os.O_WRONLY | os.O_CREAT | os.O_APPEND)
for n in range(1, 1000000):
    os.write(fd, b'%d\\n' % n)
    os.fsync(fd)
    print(n, flush=True)
`;
/** Writes what nobody waits for. */
const LOAD = 'while :; do dd if=/dev/urandom of=/workspace/src/load bs=64k count=400 conv=notrunc status=none; done';

describe('a box on a real machine', { timeout: 2 * BOOT_MS }, () => {
  let bench: BoxBench;
  let project: Project;

  beforeAll(async () => {
    bench = await BoxBench.open(inject('motoUrl'));
    project = bench.project('project');
  });
  afterAll(() => bench?.close());

  // One that fails leaves the machines of the others as they are.
  afterEach(() => {
    bench.machines.rig = {};
  });
  // What was said where nobody looks otherwise.
  beforeEach(({ onTestFailed }) => onTestFailed(() => console.log(bench.machines.logs(), bench.laptop.logs())));

  it('registers, formats and mounts its own blank volume among others, and works', async () => {
    const stranger = join(bench.machines.dir, 'stranger');
    blankDisk(stranger, 1);
    const before = sumOf(stranger);
    bench.machines.rig = { others: [{ serial: 'vol0fedcba9876543210', file: stranger }] };
    await project.up();
    expect(await project.sh('head -n 1 src/file-7.txt; id -un; pwd')).toBe('line 7\ndev\n/workspace/src\n');
    expect(await project.asRoot('findmnt --noheadings --output FSTYPE,OPTIONS /workspace')).toMatch(/^xfs +rw/);
    expect(await project.asRoot('systemctl --failed --no-legend')).toBe('');
    expect(sumOf(stranger)).toBe(before);
    console.log(await project.asRoot('/usr/lib/devctl/boot-report'));
  });

  it('has a Docker of the workload: without root, on its volume, in its control group', async () => {
    await project.dockerUp();
    expect(await project.sh('docker info --format "{{.DockerRootDir}} {{.SecurityOptions}}"')).toMatch(/^\/workspace\/docker .*rootless/);
    const group = await project.asRoot('cat /proc/$(pgrep -u dev -n dockerd)/cgroup');
    expect(group).toMatch(/^0::\/devctl\.slice\/devctl-workload\.slice\/devctl-docker\.service/);
    expect(await project.asRoot('systemctl --failed --no-legend')).toBe('');
  });

  it('only root reaches the metadata service', async () => {
    const ask = `curl --silent --max-time 5 --output /dev/null --write-out '%{http_code}' -X PUT -H 'x-aws-ec2-metadata-token-ttl-seconds: 60' http://169.254.169.254/latest/api/token`;
    const refused = () => project.asRoot('nft list chain inet devctl output | grep "169.254.169.254 counter"');
    expect(await refused()).toContain(' packets 0 ');
    expect(await project.sh(`${ask}; echo " $?"`)).toBe('000 7\n');
    expect(await refused()).not.toContain(' packets 0 ');
    expect(await project.asRoot(ask)).toBe('200');
    expect(
      await project.asRoot(
        'curl --silent --output /dev/null --write-out "%{http_code}" http://169.254.169.254/latest/meta-data/instance-id',
      ),
    ).toBe('401');
  });

  it('an agent that is killed comes back, and the workload has not noticed', async () => {
    const pid = (await project.sh('setsid sh -c "while :; do date +%s%N >> ticks; sleep 0.2; done" >/dev/null 2>&1 & echo $!')).trim();
    const agent = () => project.asRoot('systemctl show --property=MainPID --value devctl-agent.service');
    const before = await agent();
    await project.asRoot(`kill -KILL ${before}`);
    await vi.waitUntil(async () => !['0', before].includes(await agent()), { timeout: MINUTE_MS, interval: 500 });
    await vi.waitUntil(async () => (await project.run('exec', '--', 'true')).code === 0, { timeout: MINUTE_MS, interval: 500 });
    const ticks = Number(await project.sh('wc -l < ticks'));
    expect(await project.sh(`kill -0 ${pid} && echo alive; sleep 1`)).toBe('alive\n');
    expect(Number(await project.sh('wc -l < ticks'))).toBeGreaterThan(ticks);
    expect((await project.status()).generation).toBe(1);
  });

  it('is made quiet, unmounted and let go; another machine has every byte on a copy of the disk', async () => {
    const sums = `find . "$HOME" -type f ! -name sums ! -name ticks -exec sha256sum {} + | sort`;
    await project.sh(`dd if=/dev/urandom of=random bs=64k count=64 status=none; ${sums} > ../home/sums`);
    const ended = await project.box();
    expect(await project.must('down')).toContain('everything on disk is in it');
    expect(bench.machines.port(ended)).toBeNull();
    await project.must('fork', '--names', 'copy');
    const copy = project.fork('copy');
    await copy.up();
    expect(await copy.box()).not.toBe(ended);
    expect(await copy.sh(`${sums} | diff ../home/sums - && wc -l < ../home/sums`)).toMatch(/^20\d\n$/);
    await copy.must('down');
  });

  it('a notice of EC2 is taken, and the next machine has the files', async () => {
    await project.up();
    const { generation, box } = await project.status();
    await project.sh('echo rescued > rescue.txt');
    // For the power cut: with QEMU's NVMe disks the last record of a log may stay in the cache of the disk, although it is to go through it.
    bench.machines.rig = { bus: 'virtio' };
    bench.account.notices.set(box?.id ?? '', new Date(Date.now() + 2 * MINUTE_MS));
    await project.ready(generation + 1, BOOT_MS);
    bench.machines.rig = {};
    expect(await project.sh('cat rescue.txt')).toBe('rescued\n');
  });

  it('has after a power cut what was on the disk, with a clock that is wrong and a launcher that comes late', async () => {
    const { generation, box } = await project.status();
    await project.sh(`setsid sh -c '${LOAD}' >/dev/null 2>&1 &`);
    const told = await writeUntil(NUMBERS);
    bench.machines.rig = { clockOffsetMs: HOUR_MS };
    const started = bench.machines.startedAt.size;
    await bench.account.fail(box?.id ?? '');
    const numbers = told();
    await vi.waitUntil(() => bench.machines.startedAt.size > started, { timeout: 2 * MINUTE_MS, interval: 500 });
    await bench.laptop.crash();
    const next = [...bench.machines.startedAt.keys()].at(-1) ?? '';
    await vi.waitUntil(() => bench.machines.log(next).includes('no answer from the launcher'), { timeout: BOOT_MS, interval: 500 });
    bench.machines.rig = {};
    await bench.serve();
    await project.ready(generation + 1, BOOT_MS);
    const kept = (await project.sh('cat numbers')).trim().split('\n').map(Number);
    console.log(`${numbers} numbers were told, ${kept.length} are there`);
    expect(kept.slice(0, numbers)).toEqual(Array.from({ length: numbers }, (_, n) => n + 1));
    expect(Math.abs(Number(await project.asRoot('date +%s')) * 1000 - Date.now() - HOUR_MS)).toBeLessThan(20 * MINUTE_MS);
  });

  /** @returns how many numbers were told, when it is called */
  async function writeUntil(count: number): Promise<() => number> {
    const args = [DEVCTL, 'exec', '--', 'python3', '-c', WRITER];
    const child = spawn(process.execPath, args, { cwd: project.cwd, env: bench.laptop.env(), stdio: ['ignore', 'pipe', 'ignore'] });
    let text = '';
    child.stdout.on('data', (chunk: Buffer) => {
      text += chunk;
    });
    const told = () => text.split('\n').length - 1;
    await vi.waitUntil(() => told() >= count, { timeout: 2 * MINUTE_MS, interval: 20 });
    return () => {
      child.kill('SIGKILL');
      return told();
    };
  }

  it('a full disk is named, and can be saved', async () => {
    expect(
      await project.sh(
        'fallocate -l 100G all 2>&1; fallocate -l $(df --output=avail -B1 . | tail -n 1) all; dd if=/dev/zero of=rest bs=64k 2>&1; df --output=avail -B1M . | tail -n 1',
      ),
    ).toMatch(/No space left on device[\s\S]* [0-9]\n$/);
    expect(await project.must('down')).toContain('everything on disk is in it');
  });

  it('a damaged disk is named, and no byte of it is changed', async () => {
    const volume = bench.machines.latestVolume;
    const fd = openSync(volume, 'r+');
    writeSync(fd, Buffer.alloc(GARBAGE_BYTES, 'garbage'), 0, GARBAGE_BYTES, 0);
    closeSync(fd);
    copyDisk(volume, `${volume}.before`);
    const { code, stderr } = await project.run('up', '--timeout', '6m');
    expect(code).not.toBe(0);
    expect(stderr).toMatch(/vol-[0-9a-f]+ .*left as it is/);
    expect(bench.machines.latestVolume).toBe(volume);
    expect(spawnSync('cmp', [volume, `${volume}.before`], { encoding: 'utf8' })).toMatchObject({ status: 0, stdout: '' });
  });

  it('a machine that is shut down by somebody else is made quiet first, and powers off', async () => {
    const other = bench.project('shut-down');
    await other.up();
    const box = await other.box();
    await other.sh('echo unsynced > note.txt');
    // What it asked for may cut its answer off.
    await other.asRoot('systemctl poweroff --no-block').catch(() => {});
    await vi.waitUntil(() => bench.machines.port(box) === null, { timeout: 3 * MINUTE_MS, interval: 500 });
    expect(bench.machines.log(box)).toMatch(/\n\[devctl\] quiet: .*release \d+ ms/);
    // Its launcher takes it for lost, and goes on with the volume elsewhere.
    await other.ready(2, BOOT_MS);
    expect(await other.sh('cat note.txt')).toBe('unsynced\n');
    await other.must('down');
  });

  it('a disk that is read-only is named', async () => {
    const other = bench.project('read-only');
    bench.machines.rig = { workspace: 'read-only' };
    const { code, stderr } = await other.run('up', '--timeout', '6m');
    bench.machines.rig = {};
    expect(code).not.toBe(0);
    expect(stderr).toMatch(/vol-[0-9a-f]+ .*read-only/);
  });

  it('a disk that is not there is named, with what is there, and its box ends', async () => {
    const other = bench.project('missing');
    bench.machines.rig = { workspace: 'missing' };
    const { code, stderr } = await other.run('up', '--timeout', '6m');
    bench.machines.rig = {};
    expect(code).not.toBe(0);
    expect(stderr).toMatch(/vol-[0-9a-f]+ did not come to this machine, which has \/dev\/nvme0n1 \(vol-0000000000000000f\)/);
    const box = [...bench.machines.startedAt.keys()].find((id) => bench.machines.log(id).includes('is the box of missing:')) ?? '';
    await vi.waitUntil(() => bench.machines.port(box) === null, { timeout: 2 * MINUTE_MS, interval: 500 });
    // Its launcher ends it when it hears so: what it says last of itself may not get out.
    expect(bench.machines.log(box)).toMatch(/\[devctl\] vol-[0-9a-f]+ is not there yet: there are \/dev\/nvme0n1/);
    expect(await other.must('ls', '--output', 'plain')).not.toContain('missing');
  });
});
