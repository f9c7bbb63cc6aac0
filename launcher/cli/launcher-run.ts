import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { DevctlError } from '../contract/errors.ts';
import { launcherBundle, launcherEnv, problemOfLine } from './embedded.ts';
import type { Env } from './parse.ts';

export interface ForegroundOptions {
  args: readonly string[];
  env: Env;
  /** Every line of standard output. */
  onLine: (line: string) => void;
  /** Every line of standard error that is not the launcher's own problem line. */
  onLog: (line: string) => void;
}

const PASSED_ON = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Runs the launcher as a child of this command, until it ends. @throws DevctlError what it could not start for */
export async function runLauncher(options: ForegroundOptions): Promise<number> {
  const child = spawn(process.execPath, [launcherBundle(), 'serve', ...options.args], {
    env: launcherEnv(options.env),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const forward = PASSED_ON.map((signal) => {
    const handler = () => void child.kill(signal);
    process.on(signal, handler);
    return () => process.off(signal, handler);
  });
  let problem: DevctlError | null = null;
  createInterface({ input: child.stdout }).on('line', options.onLine);
  createInterface({ input: child.stderr }).on('line', (line) => {
    const found = problemOfLine(line);
    if (found) problem = DevctlError.fromProblem(found);
    else options.onLog(line);
  });
  try {
    const code = await ended(child);
    if (problem !== null && code !== 0) throw problem;
    return code;
  } finally {
    for (const off of forward) off();
  }
}

function ended(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve(code ?? (signal === null ? 1 : 130)));
  });
}
