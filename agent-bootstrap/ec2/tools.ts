import { execFile } from 'node:child_process';

export interface Outcome {
  /** Null: it could not be started, or took too long. */
  code: number | null;
  stdout: string;
  /** The last line that it said, in words. */
  said: string;
}

const OUTPUT_MAX_BYTES = 64 * 1024;

/** Runs a program of the system, in the words of the C locale. Does not throw. */
export function runTool([program, ...args]: [string, ...string[]], timeoutMs: number): Promise<Outcome> {
  const env = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' };
  return new Promise((resolve) => {
    execFile(
      program,
      args,
      { env, cwd: '/', timeout: timeoutMs, killSignal: 'SIGKILL', maxBuffer: OUTPUT_MAX_BYTES },
      (error, stdout, stderr) => {
        const code = error === null ? 0 : typeof error.code === 'number' ? error.code : null;
        const lines = stderr
          .trim()
          .split('\n')
          .filter((line) => line.trim() !== '');
        // What util-linux adds is where to read on.
        const told = lines
          .filter((line) => !/^\s*dmesg\(1\)/.test(line))
          .at(-1)
          ?.trim();
        resolve({ code, stdout, said: told ?? (error === null ? '' : error.killed ? `no end within ${timeoutMs} ms` : error.message) });
      },
    );
  });
}
