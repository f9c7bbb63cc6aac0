import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { freePort } from './free-port.ts';

const UP_WITHIN_MS = 120_000;
const LOOK_EVERY_MS = 100;

export interface ServerProgram {
  name: string;
  command: string;
  args: (port: number) => string[];
  cwd?: string;
  env?: Record<string, string>;
  /** Whether it answers, whatever it answers. */
  answers(url: string): Promise<boolean>;
}

/** Starts a server on a free loopback port, and waits until it answers. `stop` ends it by its process. Somebody else may take the port first. */
export async function startServer(program: ServerProgram, tries = 3): Promise<{ url: string; stop: () => Promise<void> }> {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const server = spawn(program.command, program.args(port), {
    cwd: program.cwd,
    env: { ...process.env, ...program.env },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  server.stderr.on('data', (chunk: Buffer) => {
    said = (said + chunk.toString()).slice(-4000);
  });
  server.on('error', (error) => {
    said = error.message;
  });
  const killHard = () => server.kill('SIGKILL');
  process.once('exit', killHard);

  const until = Date.now() + UP_WITHIN_MS;
  while (!(await program.answers(url))) {
    if (server.exitCode !== null || server.pid === undefined || Date.now() > until) {
      const hasEnded = server.exitCode !== null;
      process.off('exit', killHard);
      await stop(server);
      if (hasEnded && tries > 1) return startServer(program, tries - 1);
      throw new Error(`${program.name} did not come up (npm run test:aws installs what it needs): ${said}`);
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  }
  return {
    url,
    stop: async () => {
      process.off('exit', killHard);
      await stop(server);
    },
  };
}

async function stop(server: ChildProcess): Promise<void> {
  if (server.pid === undefined || server.exitCode !== null || server.signalCode !== null) return;
  const gone = once(server, 'exit');
  server.kill('SIGKILL');
  await gone;
}
