import { type ChildProcess, spawn } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Client, collect, createClient } from '../launcher/client/client.ts';

/** A launcher of its own for one part of the bench: own state, own copy of the programs, nothing of the user's. */
export interface BenchLauncher {
  home: string;
  client: Client;
  /** Runs the command line: program and first arguments. */
  devctl: string[];
  env: NodeJS.ProcessEnv;
  /** Ends every session, then the launcher, and removes what they kept. */
  stop(): Promise<void>;
}

const STOP_MS = 20_000;

/** The user's environment without devctl's own settings. */
const plainEnv = (home: string): NodeJS.ProcessEnv => ({
  ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('DEVCTL_'))),
  DEVCTL_HOME: home,
});

/**
 * A copy of the built programs, so that a build meanwhile does not change what is measured. It lies under node_modules,
 * from where they find the packages that are not bundled.
 */
function copyPrograms(root: string): string {
  const cache = join(root, 'node_modules/.cache');
  mkdirSync(cache, { recursive: true });
  const dir = mkdtempSync(join(cache, 'bench-'));
  cpSync(join(root, 'dist'), dir, { recursive: true });
  return dir;
}

export async function startBenchLauncher(root: string): Promise<BenchLauncher> {
  const home = mkdtempSync(join(tmpdir(), 'devctl-bench-'));
  const programs = copyPrograms(root);
  const env = plainEnv(home);
  const remove = () => {
    for (const dir of [home, programs]) rmSync(dir, { recursive: true, force: true });
  };
  const child = spawn(process.execPath, [join(programs, 'launcher.cjs'), 'serve', '--home', home, '--owner', 'bench'], {
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
  });
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  try {
    const baseUrl = await listening(child);
    const token = readFileSync(join(home, 'token'), 'utf8').trim();
    const client = createClient({ baseUrl, token, userAgent: 'devctl-bench' });
    return {
      home,
      client,
      devctl: [process.execPath, join(programs, 'devctl.cjs')],
      env,
      async stop() {
        try {
          for (const session of await collect(client.list('listSessions', {}))) await endSession(client, session.id);
        } finally {
          client.close();
          await end(child, exited);
          remove();
        }
      },
    };
  } catch (error) {
    await end(child, exited);
    remove();
    throw error;
  }
}

function listening(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    child.stdout?.once('data', (line: Buffer) => resolve((JSON.parse(String(line)) as { listening: string }).listening));
    child.once('exit', (code) => reject(new Error(`the launcher ended with ${code} before it listened`)));
    child.once('error', reject);
  });
}

async function end(child: ChildProcess, exited: Promise<void>): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
  await exited;
  clearTimeout(timer);
}

export async function endSession(client: Client, id: string): Promise<void> {
  await client.call('endSession', { params: { id }, query: { wait: 'stopped' }, waitMs: 300_000 });
}

/** Ends the session and deletes its workspace with everything in it. */
export async function discard(client: Client, session: { id: string; workspace: string }): Promise<void> {
  await endSession(client, session.id);
  await client.call('deleteWorkspace', { params: { name: session.workspace }, query: { force: 'true' } });
}
