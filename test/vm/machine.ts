import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { lstatSync, mkdtempSync, readdirSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { StartArchive } from './archive.ts';

const KERNEL_FOLDER = new URL('.kernel/', import.meta.url).pathname;
const MEMORY_MIB = 3_500;
/** What boxes and their launcher are made of. Debian's packages, as they lie on this machine. */
const PACKAGES = ['dash', 'bash', 'coreutils', 'findutils', 'grep', 'procps', 'hostname', 'mount', 'util-linux', 'bubblewrap'];
const LEFT_OUT = /^\/(usr\/share|etc|usr\/lib\/systemd)\//;
const MARK = '@@ ';
const OUTPUT_KEEP_CHARS = 20_000;

/** The first process: /proc and the like, then a root that sandboxes can leave (the one that a kernel begins with cannot be left). */
const INIT = `#!/bin/sh
mount --bind / /new && cd /new && mount --move . / && exec chroot . /start
`;
const START = `#!/bin/sh
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
mount -t proc proc /proc
echo 1 > /proc/sys/kernel/printk
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs -o mode=1777 tmpfs /dev/shm
mount -t tmpfs -o mode=1777 tmpfs /tmp
mount -t cgroup2 cgroup2 /sys/fs/cgroup
. /script
# What was told is on its way still.
sleep 1
echo o > /proc/sysrq-trigger
sleep 100
`;

/**
 * A machine of its own with Debian's kernel, emulated, which has this machine's programs and no network.
 * @param files from here to there
 * @param script runs as root; `tell NAME COMMAND...` hands out the one line of JSON that the command writes
 * @returns what was told, by name
 */
export async function runMachine(files: Record<string, string>, script: string): Promise<Record<string, unknown>> {
  const folder = mkdtempSync(join(tmpdir(), 'devctl-vm-'));
  try {
    const archive = join(folder, 'start.cpio');
    writeArchive(archive, files, script);
    const output = await emulate(archive);
    const told = output.split(/\r?\n/).filter((line) => line.startsWith(MARK));
    return Object.fromEntries(
      told.map((line) => {
        const [name, ...rest] = line.slice(MARK.length).split(' ');
        try {
          return [name, JSON.parse(rest.join(' '))];
        } catch {
          throw new Error(`${name} wrote no JSON; the machine said:\n${output}`);
        }
      }),
    );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function writeArchive(path: string, files: Record<string, string>, script: string): void {
  const archive = new StartArchive(path);
  for (const name of ['new', 'proc', 'sys', 'dev', 'tmp', 'run', 'root', 'home', 'etc']) archive.folder(name);
  for (const name of ['bin', 'sbin', 'lib', 'lib64']) if (lstatSync(`/${name}`, { throwIfNoEntry: false })) archive.take(`/${name}`);
  for (const program of programs()) archive.take(program);
  for (const [from, to] of Object.entries(files)) archive.take(from, to);
  archive.text('etc/passwd', 'root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000:user:/home:/bin/sh\n');
  archive.text('etc/group', 'root:x:0:\nuser:x:1000:\n');
  archive.text(
    'script',
    `tell() { name=$1; shift; line=$("$@" 2>/tmp/errors || cat /tmp/errors); printf '\\n${MARK}%s %s\\n' "$name" "$line"; }\n${script}`,
  );
  archive.text('start', START, 0o755);
  archive.text('init', INIT, 0o755);
  archive.end();
}

/** Programs and the libraries that they load, by their real places, with the links that lead there. */
function programs(): Set<string> {
  const listed = execFileSync('dpkg', ['-L', ...PACKAGES], { encoding: 'utf8' }).split('\n');
  const taken = new Set<string>();
  const binaries: string[] = [realpathSync(process.execPath)];
  for (const path of listed.filter((name) => name.startsWith('/') && !LEFT_OUT.test(name))) {
    const place = join(realpathSync(dirname(path)), path.slice(path.lastIndexOf('/') + 1));
    const stat = lstatSync(place, { throwIfNoEntry: false });
    if (!stat || stat.isDirectory()) continue;
    taken.add(place);
    if (stat.isFile() && stat.mode & 0o111) binaries.push(place);
  }
  if (process.execPath !== binaries[0]) taken.add(process.execPath);
  for (const binary of binaries) taken.add(binary);
  for (const library of librariesOf(binaries)) {
    const place = join(realpathSync(dirname(library)), library.slice(library.lastIndexOf('/') + 1));
    taken.add(place).add(realpathSync(place));
  }
  return taken;
}

function librariesOf(binaries: string[]): Set<string> {
  // What is no program makes ldd fail, which says nothing about the others.
  const text = execFileSync('sh', ['-c', 'ldd "$@" 2>/dev/null || true', 'sh', ...binaries], { encoding: 'utf8' });
  return new Set([...text.matchAll(/^\s.*?(\/\S+) \(0x/gm)].map(([, path]) => path as string));
}

async function emulate(archive: string): Promise<string> {
  const kernel = readdirSync(KERNEL_FOLDER).find((name) => name.startsWith('vmlinuz'));
  if (!kernel) throw new Error('no kernel: npm run test:vm fetches it');
  const machine = spawn(
    'qemu-system-x86_64',
    [
      ...['-accel', 'tcg', '-cpu', 'max', '-smp', '2', '-m', String(MEMORY_MIB)],
      ...['-nographic', '-no-reboot', '-nic', 'none'],
      ...['-kernel', join(KERNEL_FOLDER, kernel), '-initrd', archive],
      ...['-append', 'console=ttyS0 rdinit=/init quiet panic=-1'],
    ],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  );
  const kill = () => machine.kill('SIGKILL');
  process.once('exit', kill);
  let output = '';
  for (const stream of [machine.stdout, machine.stderr])
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      output = (output + chunk).slice(-OUTPUT_KEEP_CHARS);
    });
  await once(machine, 'close');
  process.off('exit', kill);
  return output;
}
