import { closeSync, openSync, readdirSync, readFileSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { runTool } from './tools.ts';

/** A disk of this machine. */
export interface SeenDisk {
  device: string;
  /** EBS tells it as the serial number of the disk, without the dash; null: it is no volume of EBS. */
  volumeId: string | null;
  readOnly: boolean;
  bytes: number;
}

/** What is on a disk, read from its own bytes. */
export type Content = { kind: 'blank' } | FileSystem | { kind: 'other'; what: string };

interface FileSystem {
  kind: 'files';
  type: string;
  label: string;
  uuid: string;
  /** It is longer than its disk: a part of it is missing. */
  isCutOff: boolean;
}

const SECTOR_BYTES = 512;
/** At either end of a disk: where file systems, partitions and volume managers write who they are. */
const EDGE_BYTES = 1024 ** 2;
const PROBE_MS = 30_000;
/** Exit codes of blkid: nothing was found; more than one thing was. */
const NOTHING = 2;
const AMBIVALENT = 8;
const NO_DISKS = /^(loop|ram|zram|dm-|md|sr|fd)|^nvme\d+c\d+n/;

/** Disks by what they say of themselves: their names depend on the order in which the kernel finds them. Source: EBS User Guide, "NVMe EBS volumes". */
export function seeDisks(sys = '/sys/block'): SeenDisk[] {
  const names = readdirSync(sys).filter((name) => !NO_DISKS.test(name));
  return names.map((name) => {
    const read = (path: string) => textOf(join(sys, name, path));
    const serial = read('device/serial') || read('serial');
    const hex = /^vol-?([0-9a-f]{8,17})$/.exec(serial)?.[1];
    return {
      device: `/dev/${name}`,
      volumeId: hex === undefined ? null : `vol-${hex}`,
      readOnly: read('ro') === '1',
      bytes: Number(read('size')) * SECTOR_BYTES,
    };
  });
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    // Not every disk says it, and one may have gone meanwhile.
    return '';
  }
}

/** @throws Error when the disk cannot be read */
export async function readContent({ device, bytes }: SeenDisk): Promise<Content> {
  const { code, stdout, said } = await runTool(['blkid', '-p', '-o', 'export', device], PROBE_MS);
  if (code === AMBIVALENT) return { kind: 'other', what: 'signs of more than one file system' };
  if (code === NOTHING) return isBlank(device, bytes) ? { kind: 'blank' } : { kind: 'other', what: 'data that is no file system' };
  if (code !== 0) throw new Error(said || `blkid ended with ${code}`);
  const found = new Map(stdout.split('\n').map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)] as const));
  const type = found.get('TYPE');
  if (type === undefined) return { kind: 'other', what: `a partition table (${found.get('PTTYPE') ?? 'unknown'})` };
  const isCutOff = type === 'xfs' && xfsBytes(device) > bytes;
  return { kind: 'files', type, label: found.get('LABEL') ?? '', uuid: found.get('UUID') ?? '', isCutOff };
}

/** How long the file system is: size of a block, and how many there are. Source: XFS Algorithms & Data Structures, "Superblocks". */
function xfsBytes(device: string): number {
  const head = readAt(device, 16, 0);
  return head.readUInt32BE(4) * Number(head.readBigUInt64BE(8));
}

/** Nothing but zeros at both ends. A new EBS volume is all zeros. */
function isBlank(device: string, bytes: number): boolean {
  const length = Math.min(EDGE_BYTES, bytes);
  const zeros = Buffer.alloc(length);
  return [0, bytes - length].every((position) => readAt(device, length, position).equals(zeros));
}

/** @throws Error when not all of it can be read */
function readAt(device: string, length: number, position: number): Buffer {
  const fd = openSync(device, 'r');
  try {
    const bytes = Buffer.alloc(length);
    if (readSync(fd, bytes, 0, length, position) !== length) throw new Error(`${device} ends before byte ${position + length}`);
    return bytes;
  } finally {
    closeSync(fd);
  }
}
