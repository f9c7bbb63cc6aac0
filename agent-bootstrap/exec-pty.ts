import { readSync } from 'node:fs';
import type { Socket } from 'node:net';
import { constants } from 'node:os';
import { decodeJson, FRAME } from '../launcher/contract/exec-frames.ts';
import { resizeSchema, signalSchema, type TerminalSize } from '../launcher/contract/exec-messages.ts';
import type { ExecDeps, ExecPlan, Started } from './exec.ts';
import type { FrameChannel } from './frame-channel.ts';
import { signalGroup } from './signals.ts';

const DRAIN_IDLE_MS = 150;
const READ_BYTES = 64 * 1024;
/** More than the kernel keeps of a terminal's output. */
const LAST_READS = 64;

/** What node-pty has and its types do not tell. */
interface OpenTerminal {
  readonly fd: number;
  readonly _socket: Socket;
}

type Pty = typeof import('@lydell/node-pty');

/** What starts terminals, once its native part is loaded. */
export async function loadTerminal() {
  const pty = await import('@lydell/node-pty');
  return (deps: ExecDeps, plan: ExecPlan, channel: FrameChannel): Started | null => startTerminal(pty, deps, plan, channel);
}

/** Runs a command on a terminal of its own; an empty argv is the login shell. */
function startTerminal(pty: Pty, deps: ExecDeps, plan: ExecPlan, channel: FrameChannel): Started | null {
  const argv = plan.start.argv.length > 0 ? plan.start.argv : ['/bin/bash', '-l'];
  const found = deps.launcher.command(argv as [string, ...string[]], { ...plan, env: { ...plan.env, PWD: plan.cwd } });
  if ('code' in found) {
    channel.output(FRAME.stdout, Buffer.from(`${found.message}\r\n`));
    channel.exit(found.code);
    return null;
  }
  const { cols, rows } = plan.start.tty as TerminalSize;
  // `encoding: null` means bytes in both directions, which its types do not know: a character may be cut anywhere.
  const options = { name: plan.env['TERM'] ?? 'xterm', cols, rows, cwd: found.cwd, env: found.env, encoding: null };
  const terminal = pty.spawn(found.file, found.args, options);
  const command = { pid: terminal.pid, tty: true, label: plan.label, showNotice: (text: string) => channel.notice(text) };
  deps.sessions.add(command);
  const close = closeWhenDrained(terminal as unknown as OpenTerminal, (chunk) => channel.output(FRAME.stdout, chunk));
  let over = false;
  channel.attach(terminal);
  terminal.onData((chunk) => channel.output(FRAME.stdout, chunk as unknown as Uint8Array));
  terminal.onExit(({ exitCode, signal }) => {
    over = true;
    deps.sessions.remove(command);
    const name = Object.entries(constants.signals).find(([, number]) => number === signal)?.[0];
    channel.exit(signal ? 128 + signal : exitCode, name);
  });
  return {
    frame(frame) {
      if (over) return;
      if (frame.type === FRAME.stdin) terminal.write(frame.payload as unknown as string);
      // The end of input is a key on a terminal.
      else if (frame.type === FRAME.stdinEnd) terminal.write('\x04');
      else if (frame.type === FRAME.resize) {
        const size = resizeSchema.parse(decodeJson(frame.payload));
        terminal.resize(size.cols, size.rows);
      } else if (frame.type === FRAME.signal) signalGroup(terminal.pid, signalSchema.parse(decodeJson(frame.payload)).signal);
    },
    hangUp() {
      // The kernel tells the shell and what is in the foreground, and ends their reading: a shell that is told by a signal
      // alone may note it, and wait for a key before it goes.
      if (!over) close();
    },
  };
}

/**
 * node-pty closes a terminal 200 ms after its program has ended, whether its last output has been read or not: a slow
 * client, or a busy machine, would lose it. Here it is closed once it has been silent while it was free to speak.
 * @returns closes it now
 */
function closeWhenDrained({ fd, _socket: socket }: OpenTerminal, take: (chunk: Uint8Array) => void): () => void {
  const close: (error?: Error) => unknown = socket.destroy.bind(socket);
  let heard = false;
  socket.on('data', () => {
    heard = true;
  });
  socket.destroy = (error?: Error) => {
    // With an error it is the kernel's own word that there is no more.
    if (error) return close(error) as Socket;
    heard = false;
    const look = () => {
      // Closed meanwhile: its number may be another file's by now.
      if (socket.destroyed) return;
      if (heard || socket.isPaused()) return void socket.destroy();
      readRest(fd, take);
      close();
    };
    // An immediate comes after what is waiting to be read: a machine that was too busy to read is not a silent terminal.
    setTimeout(() => setImmediate(look), DRAIN_IDLE_MS);
    return socket;
  };
  return () => void close();
}

/**
 * What the stream has left in the kernel. It takes a short read of a terminal whose program has ended for the end, and one
 * read of a terminal gives 4 KiB at most.
 */
function readRest(fd: number, take: (chunk: Uint8Array) => void): void {
  const buffer = Buffer.alloc(READ_BYTES);
  for (let reads = 0; reads < LAST_READS; reads += 1) {
    try {
      const length = readSync(fd, buffer);
      if (length === 0) return;
      take(Uint8Array.prototype.slice.call(buffer, 0, length));
    } catch {
      // Nobody has it open any more (EIO), or there is nothing now (EAGAIN): both are the end.
      return;
    }
  }
}
