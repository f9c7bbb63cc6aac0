import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/** The kernel's table for IPv4. Source: proc_net(5). */
const TABLE = '/proc/net/route';
const LOOK_MS = 20;

/** Resolves when the routes of this machine are others than they were at the call; never, once the signal is given. */
export async function routesChanged(signal: AbortSignal, table = TABLE): Promise<void> {
  const before = textOf(table);
  do {
    await sleep(LOOK_MS, undefined, { ref: false });
    if (signal.aborted) return new Promise(() => {});
  } while (textOf(table) === before);
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    // A machine that is no Linux.
    return '';
  }
}
