import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { MachineUrls, ShellResult } from '../aws/account/machines.ts';
import { freePort } from '../aws/free-port.ts';
import { kernel, ROOT } from './image.mjs';

const MEMORY_MIB = 2_048;
const RELAY = new URL('relay.sh', import.meta.url).pathname;
/** Where the stand-ins of test/vm/guest listen. */
const SESSION_PORT = 7411;
const COMMAND_PORT = 7413;
/** A machine that has not said anything for so long does not any more. */
const SHELL_MS = 120_000;

/** A host of the internet, as the machine sees it: of a network for documentation (RFC 5737). Its port 80 is the one that answers. */
export const OUTSIDE = '203.0.113.80';

export interface DiskOfMachine {
  /** As EBS gives it: the id of a volume without its dash. */
  serial: string;
  /** Where it is served. */
  socket?: string;
  /** Or a file. */
  file?: string;
  readOnly?: boolean;
  /** @default nvme, as EBS has it */
  bus?: 'nvme' | 'virtio';
}

export interface InstanceOptions {
  folder: string;
  image: string;
  disks: DiskOfMachine[];
  urls: MachineUrls;
  /** Port of this machine's loopback at which the launcher is found, on the loopback of either. */
  launcherPort: number;
  /** The clock of the machine is wrong by so much. */
  clockOffsetMs: number;
  /** Port of this machine's loopback that is the host OUTSIDE for the machine. @default there is none */
  outsidePort?: number;
}

/** One machine: emulated in software, with a kernel of Debian's, systemd, and disks and a metadata service where EC2 has them. */
export class Instance {
  readonly startedAt = Date.now();
  readonly #options: InstanceOptions;
  readonly #metadata: Server;
  #qemu: ChildProcess | null = null;
  sessionPort = 0;
  #commandPort = 0;

  constructor(options: InstanceOptions) {
    this.#options = options;
    // Whoever comes from this machine asks of this machine.
    this.#metadata = createServer((incoming, answer) => {
      const { host: _, connection: __, ...headers } = incoming.headers as Record<string, string>;
      fetch(`${options.urls.metadata}${incoming.url}`, { method: incoming.method ?? 'GET', headers }).then(
        async (reply) => {
          answer.writeHead(reply.status, { date: new Date().toUTCString() });
          answer.end(await reply.text());
        },
        () => answer.destroy(),
      );
    });
  }

  /** @param onEnd its power is off, by itself or not */
  async start(onEnd: () => void): Promise<void> {
    this.sessionPort = await freePort();
    this.#commandPort = await freePort();
    this.#metadata.listen(0, '127.0.0.1');
    await once(this.#metadata, 'listening');
    // QEMU keeps what the machine writes to its root disk there, until it ends.
    const env = { PATH: process.env['PATH'] ?? '', TMPDIR: tmpdir() };
    const said = openSync(join(this.#options.folder, 'qemu.log'), 'a');
    const qemu = spawn('qemu-system-x86_64', this.#args(), { env, stdio: ['ignore', said, said] });
    closeSync(said);
    this.#qemu = qemu;
    const kill = () => qemu.kill('SIGKILL');
    process.once('exit', kill);
    qemu.once('exit', () => {
      process.off('exit', kill);
      this.#metadata.close();
      this.#metadata.closeAllConnections();
      onEnd();
    });
  }

  /** Cuts its power. */
  async cut(): Promise<void> {
    const qemu = this.#qemu;
    if (qemu === null || qemu.exitCode !== null || qemu.signalCode !== null) return;
    const gone = once(qemu, 'exit');
    qemu.kill('SIGKILL');
    await gone;
  }

  #args(): string[] {
    const { folder, image, disks, launcherPort, urls, clockOffsetMs, outsidePort } = this.#options;
    const port = (this.#metadata.address() as AddressInfo).port;
    const forward = (from: number, to: number) => `hostfwd=tcp:127.0.0.1:${from}-:${to}`;
    const outside = `user,model=virtio-net-pci,${forward(this.sessionPort, SESSION_PORT)},${forward(this.#commandPort, COMMAND_PORT)}`;
    const metadata = `user,model=virtio-net-pci,net=169.254.169.0/24,host=169.254.169.2,dns=169.254.169.3,restrict=on,guestfwd=tcp:169.254.169.254:80-cmd:${RELAY} ${port}`;
    const internet = `user,model=virtio-net-pci,net=203.0.113.0/24,host=203.0.113.2,dns=203.0.113.3,restrict=on,guestfwd=tcp:${OUTSIDE}:80-cmd:${RELAY} ${outsidePort}`;
    const words = [
      // On a busy host the machine may get no tick while its kernel tries its timer, which is then taken for broken.
      ...['console=ttyS0', `root=${ROOT}`, 'rw', 'quiet', 'panic=-1', 'no_timer_check'],
      ...[
        `systemd.setenv=BENCH_LAUNCHER_PORT=${launcherPort}`,
        ...['STS', 'SECRETS_MANAGER'].map((service) => `systemd.setenv=AWS_ENDPOINT_URL_${service}=${seenFromInside(urls.aws)}`),
      ],
    ];
    return [
      ...['-accel', 'tcg,thread=multi', '-cpu', 'max', '-smp', '2', '-m', String(MEMORY_MIB)],
      ...['-display', 'none', '-no-reboot', '-monitor', 'none', '-vga', 'none', '-nodefaults'],
      ...['-serial', `file:${join(folder, 'console.log')}`, '-serial', `file:${join(folder, 'agent.log')}`],
      ...['-rtc', `base=${new Date(Date.now() + clockOffsetMs).toISOString().slice(0, 19)}`],
      ...['-nic', outside, '-nic', metadata, ...(outsidePort === undefined ? [] : ['-nic', internet])],
      ...['-drive', `if=none,id=root,file=${image},format=raw,snapshot=on,cache=unsafe`],
      ...['-device', 'nvme,serial=vol0000000000000000f,drive=root'],
      ...disks.flatMap((disk, n) => diskArgs(disk, `disk${n}`)),
      ...['-kernel', kernel(), '-append', words.join(' ')],
    ];
  }

  /** @throws Error when nothing answers */
  async shell(line: string): Promise<ShellResult> {
    const socket = connect(this.#commandPort, '127.0.0.1');
    socket.setTimeout(SHELL_MS, () => socket.destroy(new Error('the machine does not answer')));
    socket.write(`${Buffer.from(line).toString('base64')}\n`);
    const chunks: Buffer[] = [];
    for await (const chunk of socket as AsyncIterable<Buffer>) chunks.push(chunk);
    const [code, stdout = '', stderr = ''] = Buffer.concat(chunks).toString().split('\n');
    if (!code) throw new Error('the machine did not answer');
    const text = (encoded: string) => Buffer.from(encoded, 'base64').toString();
    return { code: Number(code), stdout: text(stdout), stderr: text(stderr) };
  }
}

/** QEMU's network has the loopback of this machine at this address. */
const seenFromInside = (url: string): string => url.replace('127.0.0.1', '10.0.2.2');

function diskArgs({ serial, socket, file, readOnly = false, bus = 'nvme' }: DiskOfMachine, id: string): string[] {
  const from = socket === undefined ? `file=${file}` : `file=nbd+unix:///?socket=${socket}`;
  const drive = `if=none,id=${id},format=raw,cache=writeback,${from}`;
  // QEMU has no NVMe disk that is read-only.
  if (readOnly || bus === 'virtio')
    return ['-drive', `${drive}${readOnly ? ',readonly=on' : ''}`, '-device', `virtio-blk-pci,serial=${serial},drive=${id}`];
  return ['-drive', drive, '-device', `nvme,serial=${serial},drive=${id}`];
}
