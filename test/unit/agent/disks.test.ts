import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { mountProblem } from '../../../agent-bootstrap/ec2/disk-plan.ts';
import { seeDisks } from '../../../agent-bootstrap/ec2/disks.ts';

let sys: string;
beforeEach(() => {
  sys = mkdtempSync(join(tmpdir(), 'devctl-sys-'));
});
afterEach(() => rmSync(sys, { recursive: true, force: true }));

function disk(name: string, files: Record<string, string>): void {
  mkdirSync(join(sys, name), { recursive: true });
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(sys, name, path)), { recursive: true });
    writeFileSync(join(sys, name, path), `${text}\n`);
  }
}

describe('disks', () => {
  it('are known by the serial number that EBS gives them, whatever their names are', () => {
    // Numbers of NVMe are filled up with blanks.
    disk('nvme0n1', { 'device/serial': 'vol0aaaaaaaaaaaaaaaa', ro: '0', size: '16777216' });
    disk('nvme2n1', { 'device/serial': 'vol0123456789abcdef0    ', ro: '0', size: '2048' });
    disk('vda', { serial: 'vol-0fedcba9876543210', ro: '1', size: '8' });
    expect(seeDisks(sys)).toEqual([
      { device: '/dev/nvme0n1', volumeId: 'vol-0aaaaaaaaaaaaaaaa', readOnly: false, bytes: 8 * 1024 ** 3 },
      { device: '/dev/nvme2n1', volumeId: 'vol-0123456789abcdef0', readOnly: false, bytes: 1024 ** 2 },
      { device: '/dev/vda', volumeId: 'vol-0fedcba9876543210', readOnly: true, bytes: 4096 },
    ]);
  });

  it('that are no volumes have none; what is no disk is left out', () => {
    disk('nvme1n1', { 'device/serial': 'AWS22C4B1C2D3E4F5', ro: '0', size: '8' });
    disk('sda', { ro: '0', size: '8' });
    for (const name of ['loop0', 'ram1', 'zram0', 'dm-0', 'md127', 'sr0', 'nvme0c0n1'])
      disk(name, { serial: 'vol0123456789abcdef0', size: '8' });
    expect(seeDisks(sys).map(({ device, volumeId }) => [device, volumeId])).toEqual([
      ['/dev/nvme1n1', null],
      ['/dev/sda', null],
    ]);
  });
});

it.each([
  ['mount: /workspace: wrong fs type, bad option, bad superblock on /dev/nvme1n1, missing codepage.', 'workspace_quarantined'],
  ['mount: /workspace: mount(2) system call failed: Structure needs cleaning.', 'workspace_quarantined'],
  ["mount: /workspace: can't read superblock on /dev/nvme1n1.", 'disk_unavailable'],
  ["mount: /workspace: unknown filesystem type 'xfs'.", 'disk_unavailable'],
  ['no end within 300000 ms', 'disk_unavailable'],
])('mount said %j: %s', (said, code) => {
  expect(mountProblem('vol-1', said)).toMatchObject({ code, message: expect.stringContaining(said) });
});
