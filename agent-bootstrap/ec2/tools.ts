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
    // A program that hangs in the kernel cannot be killed: whoever waits for it goes on.
    const given = setTimeout(() => resolve({ code: null, stdout: '', said: `no end within ${timeoutMs} ms` }), timeoutMs + 1000);
    given.unref();
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
        clearTimeout(given);
        resolve({ code, stdout, said: told ?? (error === null ? '' : error.killed ? `no end within ${timeoutMs} ms` : error.message) });
      },
    );
  });
}
