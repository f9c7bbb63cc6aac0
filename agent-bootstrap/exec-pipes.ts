import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { constants } from 'node:os';
import type { Writable } from 'node:stream';
import { decodeJson, FRAME } from '../launcher/contract/exec-frames.ts';
import { signalSchema } from '../launcher/contract/exec-messages.ts';
import type { ExecDeps, ExecPlan, Started } from './exec.ts';
import type { FrameChannel } from './frame-channel.ts';
import { signalGroup } from './signals.ts';

/** Time between SIGTERM and SIGKILL for a command whose client went away. */
const HANG_UP_GRACE_MS = 5_000;
/** After the command itself has ended: how long its output may be silent before a background process that still holds it is left behind. */
const DRAIN_IDLE_MS = 250;

/** Runs a command without a terminal: its own process group, standard output and error apart. */
export function startPipes(deps: ExecDeps, plan: ExecPlan, channel: FrameChannel): Started | null {
  const argv = plan.start.argv.length > 0 ? plan.start.argv : ['/bin/bash', '-l'];
  const found = deps.launcher.command(argv as [string, ...string[]], plan);
  if ('code' in found) {
    channel.output(FRAME.stderr, Buffer.from(`${found.message}\n`));
    channel.exit(found.code);
    return null;
  }
  const { file, args, ...options } = found;
  const child = spawn(file, args, { ...options, detached: true, stdio: 'pipe' });
  child.on('error', (error) => channel.fail(error));
  // A command that does not read its input closes the pipe: that is its right.
  child.stdin.on('error', () => {});
  if (child.pid === undefined) return null;
  const pid = child.pid;
  const command = { pid, tty: false, label: plan.label, showNotice: () => {} };
  deps.sessions.add(command);
  deps.evidence.note('command', plan.label);
  channel.pipe(child.stdout, FRAME.stdout);
  channel.pipe(child.stderr, FRAME.stderr);
  const ended = whenEnded(child, (code, signal) => {
    deps.sessions.remove(command);
    deps.evidence.note('command', plan.label);
    channel.exit(code, signal);
  });
  return {
    frame(frame) {
      if (frame.type === FRAME.stdin) {
        if (child.stdin.destroyed) return;
        child.stdin.write(frame.payload);
        channel.regulate(
          () => (child.stdin.destroyed ? 0 : child.stdin.writableLength),
          (resume) => onceDrained(child.stdin, resume),
        );
      } else if (frame.type === FRAME.stdinEnd) child.stdin.end();
      else if (frame.type === FRAME.signal) signalGroup(pid, signalSchema.parse(decodeJson(frame.payload)).signal);
    },
    hangUp() {
      if (ended()) return;
      signalGroup(pid, 'SIGTERM');
      setTimeout(() => signalGroup(pid, 'SIGKILL'), HANG_UP_GRACE_MS).unref();
    },
  };
}

/** Leaves no listener behind: long input drains very often. */
function onceDrained(stdin: Writable, callback: () => void): void {
  const done = (): void => {
    stdin.off('drain', done).off('close', done);
    callback();
  };
  stdin.on('drain', done).on('close', done);
}

/** Calls back once the command has ended and its output is through. @returns whether it has */
function whenEnded(child: ChildProcessWithoutNullStreams, callback: (code: number, signal?: string) => void): () => boolean {
  let over = false;
  child.on('exit', () => {
    over = true;
    let idle = setTimeout(leave, DRAIN_IDLE_MS);
    function leave(): void {
      // Paused: the client is slow, the output is not silent.
      if (child.stdout.isPaused() || child.stderr.isPaused()) idle = setTimeout(leave, DRAIN_IDLE_MS);
      else for (const stream of [child.stdout, child.stderr]) stream.destroy();
    }
    for (const stream of [child.stdout, child.stderr]) stream.on('data', () => idle.refresh());
    child.on('close', () => clearTimeout(idle));
  });
  child.on('close', (code, signal) => {
    if (signal) callback(128 + constants.signals[signal], signal);
    else callback(code ?? 1);
  });
  return () => over;
}
