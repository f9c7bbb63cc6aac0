import { execFileSync, spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Longest that one command may take. */
const COMMAND_MS = 300_000;
const OUTPUT_TAIL_CHARS = 2_000;

export interface CommandOptions {
  env?: NodeJS.ProcessEnv;
  cwd?: string;
  /** Shell line instead of a program with arguments. */
  shell?: boolean;
}

export interface Finished {
  ms: number;
  stdout: string;
}

/**
 * Runs a command to its end and times it, from the spawn to the last of its output.
 * @throws Error with the end of what it wrote when its exit code is not 0
 */
export function run(argv: readonly string[], options: CommandOptions = {}): Promise<Finished> {
  const [program = '', ...args] = argv;
  const startMs = performance.now();
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      env: options.env ?? process.env,
      cwd: options.cwd,
      shell: options.shell ?? false,
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: COMMAND_MS,
      killSignal: 'SIGKILL',
    });
    const output = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr'] as const) {
      child[name].setEncoding('utf8').on('data', (text: string) => {
        output[name] += text;
      });
    }
    child.once('error', reject);
    child.once('close', (code, signal) => {
      const ms = performance.now() - startMs;
      if (code === 0) resolve({ ms, stdout: output.stdout });
      else
        reject(new Error(`${argv.join(' ')} ended with ${code ?? signal}: ${(output.stderr || output.stdout).slice(-OUTPUT_TAIL_CHARS)}`));
    });
  });
}

/** Milliseconds of one run. */
export const timeOf = async (argv: readonly string[], options?: CommandOptions): Promise<number> => (await run(argv, options)).ms;

/** The path of a program, or null when this machine has none. */
export function findProgram(name: string): string | null {
  for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
    const path = join(folder, name);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // Not in this folder.
    }
  }
  return null;
}

/** Whether a program can be run with these arguments. */
export function works(program: string, args: readonly string[]): boolean {
  try {
    execFileSync(program, args, { stdio: 'ignore', timeout: 20_000 });
    return true;
  } catch {
    return false;
  }
}
