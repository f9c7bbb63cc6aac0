import { spawn } from 'node:child_process';
import type { Launch, Launcher } from './launch.ts';
import type { Processes } from './processes.ts';

export interface HelperResult {
  code: number | null;
  stdout: Buffer;
  /** The end of it. */
  stderr: string;
  /** True when it was ended for taking too long or saying too much: what there is of its output is good. */
  cut: boolean;
}

interface HelperOptions {
  env?: Record<string, string>;
  cwd?: string;
  timeoutMs: number;
  maxBytes?: number;
  /** Runs it as the workload is run: for what looks into folders of the workload. @default as the agent itself */
  as?: Launcher;
}

const OUTPUT_MAX_BYTES = 64 * 1024 ** 2;
/** Where programs of the system are: nothing in it is the workload's. */
export const SYSTEM_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
const STDERR_KEEP = 4_000;

/** Runs a small program for the agent itself. It is not counted as work of the box. Does not throw: code is null when it could not start. */
export function runHelper(processes: Processes, argv: [string, ...string[]], options: HelperOptions): Promise<HelperResult> {
  const { timeoutMs, maxBytes = OUTPUT_MAX_BYTES } = options;
  return new Promise((resolve) => {
    let launch: Launch;
    try {
      launch = launchOf(argv, options);
    } catch (error) {
      resolve({ code: null, stdout: Buffer.alloc(0), stderr: error instanceof Error ? error.message : String(error), cut: false });
      return;
    }
    const { file, args, cwd, env } = launch;
    const child = spawn(file, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
    const chunks: Buffer[] = [];
    let size = 0;
    let stderr = '';
    let cut = false;
    const stop = () => {
      cut = true;
      child.kill('SIGKILL');
    };
    const timer = setTimeout(stop, timeoutMs);
    if (child.pid !== undefined) processes.helpers.add(child.pid);
    child.stdout.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size <= maxBytes) chunks.push(chunk);
      else stop();
    });
    child.stderr.on('data', (chunk: Buffer) => {
      stderr = (stderr + chunk).slice(-STDERR_KEEP);
    });
    const done = (code: number | null) => {
      clearTimeout(timer);
      if (child.pid !== undefined) processes.helpers.delete(child.pid);
      resolve({ code, stdout: Buffer.concat(chunks), stderr, cut });
    };
    child.on('error', (error) => {
      stderr = error.message;
      done(null);
    });
    child.on('close', done);
  });
}

function launchOf([file, ...args]: [string, ...string[]], { as, env, cwd = '/' }: HelperOptions): Launch {
  if (as === undefined || as.user === null) return { file, args, cwd, env: { ...process.env, ...env } as Record<string, string> };
  return as.program([file, ...args], { cwd, env: { PATH: SYSTEM_PATH, ...env } });
}
