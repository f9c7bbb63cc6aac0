import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Client, Session } from '../launcher/client/client.ts';
import { isDevctlError } from '../launcher/contract/errors.ts';
import { findProgram, run, timeOf } from './command.ts';
import type { Context } from './context.ts';
import { discard } from './launcher.ts';
import { interleave, type Missing, ratiosOf, type Section, type Subject, timed } from './measure.ts';

const SNAPSHOT = 'snapshot of a live box';
const FORK = 'fork of a live box';
const RESTORE = 'up from a snapshot';
const CP = 'cp -a';
const CP_SYNC = 'cp -a, then sync';

/** Run both here and in the box, so that it is the same tree: `node -e TEXT FILES BYTES`, in the current folder. */
const GROW = `
const { mkdirSync, writeFileSync } = require('node:fs');
const { randomBytes } = require('node:crypto');
const [files, bytes] = process.argv.slice(-2).map(Number);
for (let index = 0; index < files; index += 1) {
  const folder = 'tree/' + (index % 200);
  if (index < 200) mkdirSync(folder, { recursive: true });
  const length = Math.round((bytes / files) * (0.2 + 1.6 * (index / files)));
  writeFileSync(folder + '/' + index, randomBytes(length >> 1).toString('hex'));
}`;

interface Size {
  files: number;
  bytes: number;
}

/** A big tree in a workspace, against what the system's own tools take for the same one. */
export async function treesSection({ launcher, quick }: Context): Promise<Section> {
  const size: Size = quick ? { files: 2_000, bytes: 30e6 } : { files: 20_000, bytes: 300e6 };
  const { client } = launcher;
  const folder = mkdtempSync(join(tmpdir(), 'devctl-bench-trees-'));
  const missing: Missing[] = [];
  try {
    await run([process.execPath, '-e', GROW, String(size.files), String(size.bytes)], { cwd: folder });
    const session = await client.call('createSession', { body: { workspace: 'trees' }, query: { wait: 'ready' } });
    await growInBox(client, session, size);
    const subjects = [...ownSubjects(client, session), ...copySubjects(folder), ...archiveSubjects(folder, missing)];
    const rows = await interleave(subjects, quick ? 1 : 3, 'ms', 0);
    const against = (name: string) =>
      [CP, CP_SYNC, ...rows.filter((row) => row.name.startsWith('tar')).map((row) => row.name)].map((other) => [name, other] as const);
    const ratios = ratiosOf(rows, [...against(SNAPSHOT), ...against(FORK), [RESTORE, CP], [RESTORE, CP_SYNC]]);
    const notes = [
      `${size.files} files, ${Math.round(size.bytes / 1e6)} MB, half of which compresses away. A fork of a live box takes a snapshot first; \`up\` from a snapshot is the whole way to a ready box. Our copies are flushed to the disk.`,
    ];
    return { title: 'Trees', rows, ratios, notes, missing };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function growInBox(client: Client, { id }: Session, size: Size): Promise<void> {
  const argv = [process.execPath, '-e', GROW, String(size.files), String(size.bytes)];
  const { code, stderr } = await client.call('exec', { params: { id }, body: { argv, timeout: '10m' }, waitMs: 600_000 });
  if (code !== 0) throw new Error(`the tree could not be made in the box (${code}): ${stderr}`);
}

/** Each leaves the workspace as it was, with its newest snapshot as the only one. */
function ownSubjects(client: Client, session: Session): Subject[] {
  const name = session.workspace;
  const patience = { waitMs: 600_000 };
  let forks: string[] = [];
  return [
    {
      name: SNAPSHOT,
      async once() {
        const tookMs = await timed(() => client.call('createSnapshot', { params: { id: session.id }, body: {}, ...patience }));
        await dropOldSnapshots(client, name);
        return tookMs;
      },
    },
    {
      name: FORK,
      async once() {
        return timed(async () => {
          const { workspaces } = await client.call('forkWorkspace', { params: { name }, body: { count: 1 }, ...patience });
          forks = workspaces.map((workspace) => workspace.name);
        });
      },
    },
    {
      name: RESTORE,
      async once() {
        const workspace = forks[0] ?? '';
        let fork: Session | undefined;
        const tookMs = await timed(async () => {
          fork = await client.call('createSession', { body: { workspace }, query: { wait: 'ready', timeout: '10m' }, ...patience });
        });
        if (fork) await discard(client, fork);
        await dropOldSnapshots(client, name);
        return tookMs;
      },
    },
  ];
}

async function dropOldSnapshots(client: Client, name: string): Promise<void> {
  const { items } = await client.call('listSnapshots', { params: { name }, query: {} });
  for (const { id } of items.slice(1)) {
    try {
      await client.call('deleteSnapshot', { params: { name, snapshot: id } });
    } catch (error) {
      // The workspace's own retention was quicker, or the fork that needs it is just being deleted.
      if (!isDevctlError(error, 'not_found') && !isDevctlError(error, 'in_use')) throw error;
    }
  }
}

function copySubjects(folder: string): Subject[] {
  const copy = join(folder, 'copy');
  const subject = (name: string, line: string): Subject => ({
    name,
    async once() {
      const tookMs = await timeOf([line], { cwd: folder, shell: true });
      await run(['rm', '-rf', copy]);
      return tookMs;
    },
  });
  return [
    subject(CP, 'cp -a tree copy'),
    subject(CP_SYNC, process.platform === 'linux' ? 'cp -a tree copy && sync -f copy' : 'cp -a tree copy && sync'),
  ];
}

/** With gzip where zstd is not installed. */
function archiveSubjects(folder: string, missing: Missing[]): Subject[] {
  const hasZstd = findProgram('zstd') !== null;
  if (!hasZstd) missing.push({ what: 'tar | zstd', why: 'zstd is not installed: gzip -1 is measured instead' });
  const tool = hasZstd ? 'zstd' : 'gzip -1';
  return [
    { name: `tar | ${tool}`, once: () => timeOf([`tar -c tree | ${tool} -q -c > tree.packed`], { cwd: folder, shell: true }) },
    {
      name: `${tool} -d | tar -x`,
      async once() {
        await run(['mkdir', '-p', join(folder, 'unpacked')]);
        const tookMs = await timeOf([`${tool} -d -q -c < tree.packed | tar -x -C unpacked`], { cwd: folder, shell: true });
        await run(['rm', '-rf', join(folder, 'unpacked')]);
        return tookMs;
      },
    },
  ];
}
