// The disk that machines of test/vm start from: the root folder that packer's scripts have provisioned, with a kernel's modules and the
// stand-ins of test/vm/guest. `node test/vm/image.mjs` makes it, where it is missing, and prints its path.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { provisionedRoot } from '../image/root.mjs';

const repository = fileURLToPath(new URL('../..', import.meta.url));
const kernelFolder = fileURLToPath(new URL('.kernel/', import.meta.url));
const cache = fileURLToPath(new URL('.image/', import.meta.url));
const guest = fileURLToPath(new URL('guest/', import.meta.url));
/** A root folder that was made before, to be booted with the agent of dist/ and the files of packer/files: provisioning one anew for each change of it takes minutes. */
const OTHER_ROOT = process.env['BENCH_ROOT'];
const IMAGE_MIB = 4_096;
const SECTOR_BYTES = 512;
const FIRST_SECTOR = 2_048;
/** A disk with a partition table is found by the signature in it, whatever the kernel calls it. */
const SIGNATURE = 0xde5c71b0;
export const ROOT = `PARTUUID=${SIGNATURE.toString(16)}-01`;

function run(command, args, options = {}) {
  const { status, error, signal } = spawnSync(command, args, { stdio: ['ignore', 2, 2], ...options });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} failed: ${error?.message ?? `status ${status ?? signal}`}; see above`);
}

/** The kernel that prepare.mjs fetched. */
export function kernel() {
  const found = existsSync(kernelFolder) ? readdirSync(kernelFolder).find((name) => name.startsWith('vmlinuz')) : undefined;
  if (found === undefined) throw new Error('no kernel: npm run test:vm fetches it');
  return join(kernelFolder, found);
}

const filesOf = (folder) =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
    .map((from) => ({ from, to: from.slice(folder.length) }));

/** What a root folder of before gets anew. */
const newer = () => [
  { from: join(repository, 'dist/agent.cjs'), to: 'opt/devctl/agent.cjs' },
  { from: join(repository, 'dist/agent.json'), to: 'etc/devctl/agent.json' },
  ...filesOf(join(repository, 'packer/files/')).filter(({ to }) => existsSync(join(OTHER_ROOT, to))),
];

const ownFiles = () => [...filesOf(guest), ...(OTHER_ROOT ? newer() : [])];

/** Path of the disk. It is for reading: each machine writes to a layer of its own. */
export function bootImage() {
  const root = OTHER_ROOT ?? provisionedRoot();
  const hash = createHash('sha256')
    .update(JSON.stringify([root, kernel(), IMAGE_MIB, SIGNATURE]))
    .update(readFileSync(fileURLToPath(import.meta.url)));
  for (const { from, to } of ownFiles()) hash.update(`${to}\0`).update(readFileSync(from));
  const image = join(cache, `box-${hash.digest('hex').slice(0, 16)}.raw`);
  if (existsSync(image)) return image;
  rmSync(cache, { recursive: true, force: true });
  mkdirSync(cache, { recursive: true });
  console.error('the disk that machines start from (half a minute)');
  const partial = `${image}.partial`;
  layDisk(partial, root);
  fillIn(partial);
  renameSync(partial, image);
  return image;
}

/** A disk with one partition, which has everything of the folder. */
function layDisk(path, root) {
  closeSync(openSync(path, 'w'));
  truncateSync(path, IMAGE_MIB * 1024 ** 2);
  const offset = FIRST_SECTOR * SECTOR_BYTES;
  const sizeKiB = IMAGE_MIB * 1024 - offset / 1024;
  const options = ['-q', '-F', '-L', 'root', '-O', '^has_journal', '-E', `offset=${offset},lazy_itable_init=0,nodiscard`];
  run('mkfs.ext4', [...options, '-d', root, path, `${sizeKiB}k`]);
  const table = Buffer.alloc(SECTOR_BYTES);
  table.writeUInt32LE(SIGNATURE, 440);
  table[446 + 4] = 0x83;
  table.writeUInt32LE(FIRST_SECTOR, 446 + 8);
  table.writeUInt32LE((sizeKiB * 1024) / SECTOR_BYTES, 446 + 12);
  table.writeUInt16LE(0xaa55, 510);
  const fd = openSync(path, 'r+');
  writeSync(fd, table, 0, SECTOR_BYTES, 0);
  closeSync(fd);
}

/** What only a machine of the bench has. */
function fillIn(path) {
  const at = `${path}.mount`;
  mkdirSync(at);
  run('mount', ['-o', `loop,offset=${FIRST_SECTOR * SECTOR_BYTES}`, path, at]);
  try {
    const version = kernel().replace(/^.*vmlinuz-/, '');
    run('mkdir', ['-p', join(at, 'lib/modules')]);
    run('cp', ['-a', join(kernelFolder, 'modules', version), join(at, 'usr/lib/modules/')]);
    run('chroot', [at, 'depmod', version]);
    for (const { from, to } of ownFiles()) {
      mkdirSync(join(at, to, '..'), { recursive: true });
      run('cp', [from, join(at, to)]);
    }
    const units = readdirSync(join(guest, 'etc/systemd/system')).filter((name) =>
      readFileSync(join(guest, 'etc/systemd/system', name), 'utf8').includes('[Install]'),
    );
    run('chroot', [at, 'systemctl', 'enable', '--quiet', ...units]);
  } finally {
    run('umount', [at]);
    rmSync(at, { recursive: true, force: true });
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    console.log(bootImage());
  } catch (error) {
    console.error(error.message);
    process.exit(1);
  }
}
