import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { runIn } from '../../launcher/cli/run.ts';

/** Runs a command line in this process and in that folder, with streams of its own and no terminal. */
export async function runLine(
  dir: string,
  line: string | string[],
  env: Record<string, string> = {},
): Promise<{ code: number; out: string; err: string }> {
  const streams = { stdin: new PassThrough(), stdout: new PassThrough(), stderr: new PassThrough() };
  const read = (stream: PassThrough): string => String(stream.read() ?? '');
  const code = await runIn(typeof line === 'string' ? line.split(' ') : line, {
    env: { HOME: dir, DEVCTL_HOME: join(dir, 'state'), ...env },
    stdin: streams.stdin as unknown as NodeJS.ReadStream,
    stdout: streams.stdout as unknown as NodeJS.WriteStream,
    stderr: streams.stderr as unknown as NodeJS.WriteStream,
    cwd: () => dir,
  });
  return { code, out: read(streams.stdout), err: read(streams.stderr) };
}
