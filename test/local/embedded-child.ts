/**
 * A process that has the embedded store open, for the tests that kill it, starve it or race it. Speaks lines of JSON.
 * Usage: node embedded-child.cjs write|hold|full DIR
 */
import { randomBytes } from 'node:crypto';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openEmbeddedDynamo } from '../../launcher/stores/dynamo/embedded.ts';
import { createDynamoStore } from '../../launcher/stores/dynamo/store.ts';
import { ensureTable } from '../../launcher/stores/dynamo/table.ts';
import { aSession, T0 } from '../contract/store/fixtures.ts';

const TABLE = 'devctl';
const SESSIONS = 8;
const say = (message: object): void => {
  process.stdout.write(`${JSON.stringify(message)}\n`);
};

async function open(dir: string) {
  const { client, close } = await openEmbeddedDynamo({ dir });
  await ensureTable(client, TABLE);
  const random = { bytes: (length: number) => randomBytes(length) };
  return { close, store: createDynamoStore({ client, tableName: TABLE, clock: { now: () => T0 }, random }) };
}

/** Saves sessions without end, in and out of the index, and says each version once it is acknowledged. */
async function write(dir: string): Promise<void> {
  const { store } = await open(dir);
  const one = async (n: number): Promise<void> => {
    let session = aSession('dev', n);
    session = (await store.getSession(session)) ?? session;
    await store.createSession(session);
    for (let round = 0; ; round += 1) {
      const phase = round % 3 === 2 ? ('stopped' as const) : ('ready' as const);
      const saved = await store.saveSession({ ...session, phase, dueAt: T0 + session.version });
      if (!saved) throw new Error(`session ${n} was written by somebody else`);
      session = saved;
      say({ id: session.id, version: session.version });
    }
  };
  await Promise.all(Array.from({ length: SESSIONS }, (_, n) => one(n)));
}

/** On a small disk: fills it, writes until that fails, makes room, writes again, and says what was acknowledged. */
async function full(dir: string): Promise<void> {
  const { store, close } = await open(join(dir, 'store'));
  const acknowledged: number[] = [];
  const refused: string[] = [];
  const create = async (n: number): Promise<void> => {
    try {
      await store.createSession(aSession('dev', n));
      acknowledged.push(n);
    } catch (error) {
      refused.push(`${(error as Error).name}: ${(error as Error).message}`);
    }
  };
  await create(0);
  try {
    writeFileSync(join(dir, 'ballast'), Buffer.alloc(64 * 1024 * 1024));
  } catch {
    // The disk is full now: that is what it is for.
  }
  await Promise.all(Array.from({ length: 100 }, (_, n) => create(n + 1)));
  const whileFull = refused.length;
  rmSync(join(dir, 'ballast'));
  for (let n = 200; n < 210; n += 1) await create(n);
  await close();
  const again = await open(join(dir, 'store'));
  const found: number[] = [];
  for (const n of acknowledged) if (await again.store.getSession(aSession('dev', n))) found.push(n);
  await again.close();
  say({ acknowledged, found, whileFull, firstRefusal: refused[0] });
}

const [mode, dir = ''] = process.argv.slice(2);
if (mode === 'write') await write(dir);
else if (mode === 'full') await full(dir);
else {
  await open(dir);
  say({ open: true });
  setInterval(() => {}, 60_000);
}
