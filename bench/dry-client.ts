import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DryKind, DryRequests } from './dry-protocol.ts';

/** The process with the dry launcher, from outside. */
export interface DryServer {
  url: string;
  ask<Kind extends DryKind>(kind: Kind, input: DryRequests[Kind]['input']): Promise<DryRequests[Kind]['output']>;
  stop(): Promise<void>;
}

type Message = { url: string } | { id: number; output?: unknown; error?: string };

export async function startDryServer(root: string): Promise<DryServer> {
  const dir = mkdtempSync(join(tmpdir(), 'devctl-dry-'));
  const child = spawn(process.execPath, [join(root, '.ci/ts.mjs'), join(root, 'bench/dry-server.ts'), dir], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    detached: true,
  });
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const pending = new Map<number, { resolve: (output: never) => void; reject: (error: Error) => void }>();
  let asked = 0;
  child.on('message', (message: Message) => {
    if ('url' in message) return;
    const waiting = pending.get(message.id);
    pending.delete(message.id);
    if (message.error === undefined) waiting?.resolve(message.output as never);
    else waiting?.reject(new Error(message.error));
  });
  child.once('exit', () => {
    for (const { reject } of pending.values()) reject(new Error('the dry launcher ended'));
  });
  try {
    return {
      url: await urlOf(child),
      ask: (kind, input) =>
        new Promise((resolve, reject) => {
          asked += 1;
          pending.set(asked, { resolve, reject });
          child.send({ id: asked, kind, input });
        }),
      stop: () => end(child, exited, dir),
    };
  } catch (error) {
    await end(child, exited, dir);
    throw error;
  }
}

function urlOf(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    child.once('message', (message: { url: string }) => resolve(message.url));
    child.once('exit', (code) => reject(new Error(`the dry launcher ended with ${code}`)));
  });
}

async function end(child: ChildProcess, exited: Promise<void>, dir: string): Promise<void> {
  if (child.connected) child.disconnect();
  if (child.exitCode === null && child.signalCode === null) await exited;
  rmSync(dir, { recursive: true, force: true });
}
