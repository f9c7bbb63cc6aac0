import { statSync } from 'node:fs';
import type { Duplex } from 'node:stream';
import { BOX_PATHS } from '../launcher/contract/agent-config.ts';
import { DevctlError } from '../launcher/contract/errors.ts';
import { decodeJson, FRAME, type Frame } from '../launcher/contract/exec-frames.ts';
import { type ExecStart, execStartSchema } from '../launcher/contract/exec-messages.ts';
import { LOOK_IN_BOX } from './errors.ts';
import type { EvidenceLog } from './evidence-log.ts';
import { FrameChannel } from './frame-channel.ts';
import type { Launcher } from './launch.ts';
import { resolveInBox } from './paths.ts';
import type { Log } from './ports.ts';
import type { Secrets } from './secrets.ts';
import type { CommandSessions } from './sessions.ts';
import type { BoxState } from './state.ts';
import type { WriteGate } from './write-gate.ts';

/** A started command, as the channel drives it. */
export interface Started {
  /** Any frame of the client after `start`. */
  frame(frame: Frame): void;
  /** The client went away while the command was running. */
  hangUp(): void;
}

export interface ExecDeps {
  sessions: CommandSessions;
  box: BoxState;
  evidence: EvidenceLog;
  launcher: Launcher;
  /** Closed while the disk is copied: what comes then begins a little later. */
  gate: WriteGate;
  secrets: () => Promise<Secrets>;
  log: Log;
}

/** What is run: the environment is complete and the folder is there. */
export interface ExecPlan {
  start: ExecStart;
  cwd: string;
  env: Record<string, string>;
  label: string;
}

/** Serves one client: reads `start`, runs it, and carries its input and output until one of both ends. */
export function handleExec(deps: ExecDeps, socket: Duplex, head: Uint8Array): void {
  let started: Started | null = null;
  let begun = false;
  const early: Frame[] = [];
  const channel = new FrameChannel(
    socket,
    head,
    (frame) => {
      if (started) started.frame(frame);
      else if (begun) {
        early.push(frame);
        // The client waits as its command does: a frozen box must not be filled with its input.
        socket.pause();
      } else {
        if (frame.type !== FRAME.start) throw new RangeError('the first frame must be start');
        begun = true;
        // After the constructor has returned: frames may come with the very first bytes.
        queueMicrotask(() => void begin(frame));
      }
    },
    () => started?.hangUp(),
  );

  async function begin(frame: Frame): Promise<void> {
    try {
      const plan = planOf(deps, frame);
      const { lent, secret } = await (await deps.secrets()).forCommand(plan.start);
      plan.env = { ...lent, ...plan.env, ...secret };
      const { startPipes } = await import('./exec-pipes.ts');
      const run = plan.start.tty ? await (await import('./exec-pty.ts')).loadTerminal() : startPipes;
      await deps.gate.passed();
      if (channel.gone) return;
      // From here to the start nothing is waited for: a box that is made quiet meanwhile would miss the new process.
      assertOpen(deps.box);
      started = run(deps, plan, channel);
      if (channel.gone) started?.hangUp();
      socket.resume();
      for (const waiting of early) started?.frame(waiting);
    } catch (error) {
      channel.fail(error);
      socket.resume();
    }
  }
}

function assertOpen(box: BoxState): void {
  if (!box.open || box.state === 'quiesced') throw new DevctlError('wrong_phase', 'the box takes no new commands: it is being saved');
}

function planOf(deps: ExecDeps, frame: Frame): ExecPlan {
  const parsed = execStartSchema.safeParse(decodeJson(frame.payload));
  if (!parsed.success) {
    const issues = parsed.error.issues.map((issue) => ({ field: issue.path.join('.'), message: issue.message }));
    throw new DevctlError('invalid_request', issues.map((issue) => `${issue.field}: ${issue.message}`).join('; '), { issues });
  }
  assertOpen(deps.box);
  const start = parsed.data;
  const { config } = deps.sessions;
  const cwd = resolveInBox(config.paths.workspace, start.cwd ?? BOX_PATHS.src);
  if (!statSync(cwd, { throwIfNoEntry: false })?.isDirectory()) {
    throw new DevctlError('not_found', `there is no folder ${start.cwd ?? BOX_PATHS.src} in the box`, { hint: LOOK_IN_BOX });
  }
  const env = { ...config.env, ...start.env };
  if (start.tty) env['TERM'] = start.env['TERM'] ?? start.tty.term;
  return { start, cwd, env, label: labelOf(start.argv) };
}

const labelOf = (argv: string[]): string => (argv.length === 0 ? 'shell' : (argv[0] as string).split('/').pop() || 'command').slice(0, 60);
