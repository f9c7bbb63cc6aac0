import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { ClassicLevel } from 'classic-level';
import { build } from 'esbuild';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { StoreUnavailableError } from '../../launcher/ports/store.ts';
import {
  openEmbeddedDynamo,
  StateFolderInUseError,
  StateFolderUnusableError,
  StateFolderVersionError,
} from '../../launcher/stores/dynamo/embedded.ts';
import { createDynamoStore } from '../../launcher/stores/dynamo/store.ts';
import { ensureTable } from '../../launcher/stores/dynamo/table.ts';
import { anEvent, anIdempotency, aSession, asStored, aWorkspace, sessionId, T0 } from '../contract/store/fixtures.ts';

const TABLE = 'devctl';
const root = new URL('../..', import.meta.url).pathname;
// Within node_modules, so that the bundle finds the native module beside it.
const program = join(root, 'node_modules', '.cache', 'devctl-test', `embedded-child-${process.pid}.mjs`);

let dir: string;
const children = new Set<ChildProcess>();

/** Starts the child; `lines` are what it says. */
function start(mode: string, on: string, env: NodeJS.ProcessEnv = process.env, command = [process.execPath]) {
  const [file = '', ...args] = [...command, program, mode, on];
  const child = spawn(file, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  children.add(child);
  const said: string[] = [];
  child.stderr.on('data', (chunk: Buffer) => said.push(chunk.toString()));
  return { child, lines: createInterface({ input: child.stdout }), stderr: () => said.join('') };
}

async function kill(child: ChildProcess): Promise<void> {
  children.delete(child);
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGKILL');
  await once(child, 'exit');
}

async function openStore(on = dir) {
  const { client, close, removeExpired } = await openEmbeddedDynamo({ dir: on, sync: false });
  await ensureTable(client, TABLE);
  const random = { bytes: (length: number) => crypto.getRandomValues(new Uint8Array(length)) };
  const store = createDynamoStore({ client, tableName: TABLE, clock: { now: () => T0 }, random });
  return { client, store, close, removeExpired };
}

beforeAll(async () => {
  await build({
    entryPoints: [fileURLToPath(new URL('./embedded-child.ts', import.meta.url))],
    outfile: program,
    bundle: true,
    platform: 'node',
    format: 'esm',
    external: ['classic-level'],
    banner: { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" },
    logLevel: 'warning',
  });
});
afterAll(() => rm(program, { force: true }));
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'devctl-embedded-'));
});
afterEach(async () => {
  await Promise.all([...children].map(kill));
  await rm(dir, { recursive: true, force: true });
});

describe('a killed process', () => {
  it.each([1, 40, 150, 301])('loses nothing of what it was told was written, killed after %i answers', async (answers) => {
    const { child, lines } = start('write', dir);
    const acknowledged = new Map<string, number>();
    let count = 0;
    for await (const line of lines) {
      const { id, version } = JSON.parse(line) as { id: string; version: number };
      acknowledged.set(id, version);
      count += 1;
      if (count === answers) child.kill('SIGKILL');
    }
    await kill(child);

    const { store, close } = await openStore();
    const { items } = await store.listSessions('dev', { limit: 100, after: null });
    for (const [id, version] of acknowledged) {
      expect(items.find((session) => session.id === id)?.version).toBeGreaterThanOrEqual(version);
    }
    const live = items.filter((session) => session.phase === 'ready');
    const due = await store.listDue(Number.MAX_SAFE_INTEGER, 100);
    expect(due.map(({ id, dueAt }) => ({ id, dueAt })).sort((a, b) => a.id.localeCompare(b.id))).toEqual(
      live.map(({ id, dueAt }) => ({ id, dueAt })).sort((a, b) => a.id.localeCompare(b.id)),
    );
    await close();
  });
});

describe('a state folder', () => {
  it('is private, and what is written is there after a close', async () => {
    await chmod(dir, 0o755);
    const first = await openStore();
    expect((await stat(dir)).mode & 0o777).toBe(0o700);
    await first.store.createSession(aSession('dev', 1));
    await first.store.createWorkspace(aWorkspace('dev', 'shop'));
    await first.close();
    const second = await openStore();
    expect(await second.store.getSession(aSession('dev', 1))).toEqual(asStored(aSession('dev', 1)));
    expect(await second.store.listOwners()).toEqual(['dev']);
    expect((await second.store.listLive({ limit: 10, after: null })).items).toHaveLength(1);
    await second.close();
  });

  it('may have a path longer than a socket could', async () => {
    const long = join(dir, 'a'.repeat(100), 'b'.repeat(100));
    const { store, close } = await openStore(long);
    expect(await store.createSession(aSession('dev', 1))).toBe(true);
    await close();
  });

  it('belongs to one launcher at a time, and is free when that was killed', async () => {
    const { child, lines } = start('hold', dir);
    await once(lines, 'line');
    await expect(openEmbeddedDynamo({ dir })).rejects.toBeInstanceOf(StateFolderInUseError);
    await kill(child);
    const open = await openStore();
    await expect(openEmbeddedDynamo({ dir })).rejects.toSatisfy((error: Error) => error.message.includes(dir));
    const rival = start('hold', dir);
    const [code] = await once(rival.child, 'exit');
    expect(code).not.toBe(0);
    expect(rival.stderr()).toContain('StateFolderInUseError');
    await open.close();
  });

  it.each([
    ['of a newer version', { version: '2\n', table: 'x' }],
    ['of no known version', { version: 'banana', table: 'x' }],
    ['of something else', { 'thesis.doc': 'x' }],
  ])('%s is left untouched', async (_, files: Record<string, string>) => {
    for (const [name, text] of Object.entries(files)) await writeFile(join(dir, name), text);
    await chmod(dir, 0o755);
    await expect(openEmbeddedDynamo({ dir })).rejects.toBeInstanceOf(StateFolderVersionError);
    expect((await readdir(dir)).sort()).toEqual(Object.keys(files).sort());
    expect((await stat(dir)).mode & 0o777).toBe(0o755);
  });

  it('that is a file is refused with its path', async () => {
    const path = join(dir, 'file');
    await writeFile(path, '');
    await expect(openEmbeddedDynamo({ dir: path })).rejects.toSatisfy(
      (error) => error instanceof StateFolderUnusableError && error.message.includes(path),
    );
  });

  it('whose table is not a database is refused', async () => {
    await mkdir(join(dir, 'table'), { recursive: true });
    await writeFile(join(dir, 'version'), '1\n');
    await writeFile(join(dir, 'table', 'CURRENT'), 'nonsense');
    await expect(openEmbeddedDynamo({ dir })).rejects.toBeInstanceOf(StateFolderUnusableError);
  });
});

describe('the embedded store', () => {
  it('listens nowhere', async () => {
    const { store, close } = await openStore();
    await store.ping();
    expect(process.getActiveResourcesInfo().filter((resource) => /Server/.test(resource))).toEqual([]);
    await close();
  });

  it('is not moved by the AWS settings of the user, and warns of nothing', async () => {
    const env = {
      ...process.env,
      HOME: dir,
      AWS_PROFILE: 'none',
      AWS_REGION: 'mars-north-1',
      AWS_ENDPOINT_URL: 'http://127.0.0.1:1',
      AWS_ENDPOINT_URL_DYNAMODB: 'http://127.0.0.1:1',
      AWS_MAX_ATTEMPTS: 'many',
      AWS_RETRY_MODE: 'never',
      AWS_CONFIG_FILE: join(dir, 'none'),
      AWS_USE_FIPS_ENDPOINT: 'true',
    };
    const { lines, stderr } = start('hold', join(dir, 'store'), env);
    expect(await once(lines, 'line')).toEqual(['{"open":true}']);
    expect(stderr()).toBe('');
  });

  it('answers StoreUnavailableError once it is closed, after what was under way', async () => {
    const { store, close } = await openStore();
    await store.ping();
    const creating = Promise.allSettled(Array.from({ length: 20 }, (_, n) => store.createSession(aSession('dev', n))));
    await close();
    const created = (await creating).map((outcome) => outcome.status === 'fulfilled');
    await expect(store.ping()).rejects.toBeInstanceOf(StoreUnavailableError);
    await close();
    const again = await openStore();
    for (const [n, done] of created.entries()) if (done) expect(await again.store.getSession(aSession('dev', n))).not.toBeNull();
    await again.close();
  });

  it('goes on when a row on disk is damaged', async () => {
    const first = await openStore();
    await first.store.createSession(aSession('dev', 1));
    await first.store.createSession(aSession('dev', 2));
    await first.close();
    const level = new ClassicLevel(join(dir, 'table'));
    const wanted = Buffer.from(`S#${sessionId(1)}`).toString('hex');
    for await (const key of level.keys()) if (key.startsWith('item-') && key.includes(wanted)) await level.put(key, '{"pk":');
    await level.close();
    const { store, close } = await openStore();
    await expect(store.getSession(aSession('dev', 1))).rejects.toBeInstanceOf(StoreUnavailableError);
    await expect(store.saveSession(aSession('dev', 1))).rejects.toBeInstanceOf(StoreUnavailableError);
    expect(await store.getSession(aSession('dev', 2))).not.toBeNull();
    expect(await store.listDue(T0 + 10, 10)).toHaveLength(2);
    await close();
  });

  it('removes what is over, and nothing else', async () => {
    const { store, close, removeExpired } = await openStore();
    const DAY = 86_400_000;
    await store.createSession(aSession('dev', 1));
    await store.createSession(aSession('dev', 2, { phase: 'stopped', endedAt: T0 }));
    await store.putEvents(aSession('dev', 2), [anEvent(1)]);
    await store.claimIdempotency(anIdempotency('dev', 'k'), T0);
    expect(await removeExpired(TABLE, T0)).toBe(0);
    expect(await removeExpired(TABLE, T0 + DAY)).toBe(1);
    expect(await removeExpired(TABLE, T0 + 31 * DAY)).toBe(2);
    expect((await store.listSessions('dev', { limit: 10, after: null })).items.map((session) => session.id)).toEqual([sessionId(1)]);
    expect(await store.listEvents(aSession('dev', 2), null, 10)).toEqual([]);
    await close();
  });
});

const smallDisk = ['unshare', '--user', '--map-root-user', '--mount', '--', 'sh', '-c'];
const canMount =
  existsSync('/proc/self/ns') && spawnSync(smallDisk[0] as string, [...smallDisk.slice(1), 'mount -t tmpfs none /mnt']).status === 0;

describe('a full disk', () => {
  it.skipIf(!canMount)('refuses writes and loses none that it acknowledged, also after there is room again', async () => {
    const command = [...smallDisk, `mount -t tmpfs -o size=3m none "$2" && exec "${process.execPath}" "$0" "$@"`];
    const { lines, stderr } = start('full', dir, process.env, command);
    const [line] = (await Promise.race([
      once(lines, 'line'),
      once(lines, 'close').then(() => [`{"stderr":${JSON.stringify(stderr())}}`]),
    ])) as [string];
    const outcome = JSON.parse(line) as { acknowledged: number[]; found: number[]; whileFull: number; firstRefusal: string };
    expect(outcome).toMatchObject({ firstRefusal: expect.stringMatching(/^StoreUnavailableError: .*No space left/) });
    expect(outcome.whileFull).toBeGreaterThan(0);
    expect(outcome.acknowledged).toContain(209);
    expect(outcome.found).toEqual(outcome.acknowledged);
  });
});
