// What the suites of test/vm need on this machine, before they begin: QEMU, a kernel of Debian's, which is not installed, and the disk of a
// provisioned machine.
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { installMoto } from '../aws/install-moto.mjs';
import { bootImage } from './image.mjs';

const folder = fileURLToPath(new URL('.kernel/', import.meta.url));
const say = (line) => {
  console.error(line);
  process.exit(1);
};
const quietly = (command, args, options = {}) => spawnSync(command, args, { stdio: ['ignore', 'pipe', 2], encoding: 'utf8', ...options });

const hasKernel = () => {
  try {
    const names = readdirSync(folder);
    return names.includes('modules') && names.some((name) => name.startsWith('vmlinuz'));
  } catch {
    return false;
  }
};

const NEEDED = {
  'qemu-system-x86_64': 'qemu-system-x86',
  nbdkit: 'nbdkit',
  debootstrap: 'debootstrap',
  unshare: 'util-linux',
  'mkfs.ext4': 'e2fsprogs',
};
const missing = Object.keys(NEEDED).filter((command) => quietly('sh', ['-c', 'command -v "$1"', 'sh', command]).status !== 0);
if (missing.length > 0)
  say(`test:vm needs ${missing.join(', ')}: apt install --no-install-recommends ${missing.map((command) => NEEDED[command]).join(' ')}`);
if (process.getuid?.() !== 0) say('test:vm lays a root folder with debootstrap and provisions it: run it as root');
if (!hasKernel()) {
  const wanted = quietly('apt-cache', ['depends', '--important', 'linux-image-cloud-amd64']).stdout?.match(
    /Depends: (linux-image-\S+)/,
  )?.[1];
  if (!wanted) say('test:vm takes its kernel from the Debian package linux-image-cloud-amd64, which apt does not know here');
  const partial = `${folder.slice(0, -1)}.partial`;
  rmSync(partial, { recursive: true, force: true });
  mkdirSync(partial);
  console.error(`fetching ${wanted}`);
  const steps = [
    ['apt-get', ['download', '-qq', wanted]],
    ['sh', ['-c', 'dpkg-deb -x *.deb unpacked && mv unpacked/boot/vmlinuz* . && mv unpacked/lib/modules . && rm -r unpacked *.deb']],
  ];
  for (const [command, args] of steps) if (quietly(command, args, { cwd: partial }).status !== 0) say(`${command} failed: see above`);
  rmSync(folder, { recursive: true, force: true });
  renameSync(partial, folder);
}
installMoto();
if (quietly('npm', ['run', '-s', 'build']).status !== 0) say('npm run build failed: see above');
try {
  console.error(`machines start from ${bootImage()}`);
} catch (error) {
  say(error.message);
}
