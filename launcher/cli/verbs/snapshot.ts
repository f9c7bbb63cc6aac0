import { collect } from '../../client/client.ts';
import { snapshotIdSchema } from '../../contract/fields.ts';
import { formatBytes } from '../../contract/units.ts';
import { each } from '../each.ts';
import { interruptible } from '../interrupt.ts';
import { json, plainRows } from '../output.ts';
import { clientFor, needSession, withWorkspace, workspaceName } from '../refs.ts';
import { Steps } from '../steps.ts';
import { clockTime, plainText } from '../text.ts';
import { UsageError } from '../usage-error.ts';
import { check } from '../validate.ts';
import type { Run } from '../verb.ts';

const NOTE_MAX = 200;

/** `devctl snapshot` */
export const create: Run = async (cli, { args }) => {
  const { note } = cli.flags;
  if (note !== undefined && note.length > NOTE_MAX) throw new UsageError(`--note is longer than ${NOTE_MAX} characters`);
  const client = await clientFor(cli, args[0]);
  const session = await needSession(cli, client, args[0]);
  const steps = new Steps(cli);
  const background = `it goes on in the background: see devctl snapshots ${session.workspace}`;
  const start = performance.now();
  steps.doing(() => 'making a snapshot');
  try {
    const making = client.call('createSnapshot', { params: { id: session.id }, body: note === undefined ? {} : { note } });
    const snapshot = await interruptible(cli, background, making, steps);
    const sizes = [
      snapshot.newBytes === null ? '' : `${formatBytes(snapshot.newBytes)} new`,
      snapshot.bytes === null ? '' : `${formatBytes(snapshot.bytes)} in all`,
    ];
    steps.done(
      'snapshot',
      performance.now() - start,
      [snapshot.parent ? `${snapshot.id} ← ${snapshot.parent.id}` : snapshot.id, ...sizes.filter(Boolean)].join(' · '),
    );
    if (cli.form === 'json') cli.print(json(snapshot));
    else if (cli.form === 'plain') cli.print(plainRows([[snapshot.id, snapshot.state]]));
    else cli.print(`${session.workspace}@${snapshot.id} ${snapshot.state}\n`);
  } finally {
    steps.stop();
  }
  return undefined;
};

/** `devctl snapshots` */
export const list: Run = async (cli, { args }) => {
  const name = workspaceName(cli, args[0]);
  const client = await clientFor(cli, name);
  const snapshots = await withWorkspace(client, name, () =>
    collect(client.list('listSnapshots', { params: { name }, query: { limit: 200 } })),
  );
  const now = new Date();
  cli.show({
    json: snapshots,
    header: ['SNAPSHOT', 'MADE', 'BY', 'STATE', 'SIZE', 'NEW', 'FILES', 'FROM', 'NOTE'],
    rows: snapshots.map((snapshot) => [
      `${snapshot.id}${snapshot.isHead ? ' (head)' : ''}`,
      clockTime(new Date(snapshot.createdAt), now),
      snapshot.reason,
      `${snapshot.state}${snapshot.clean ? '' : ', not quiet'}`,
      snapshot.bytes === null ? '–' : formatBytes(snapshot.bytes),
      snapshot.newBytes === null ? '–' : formatBytes(snapshot.newBytes),
      snapshot.files === null ? '–' : String(snapshot.files),
      snapshot.parent?.id ?? '–',
      plainText(snapshot.note ?? ''),
    ]),
    plain: snapshots.map(({ id, createdAt, reason, state, bytes, newBytes, files, parent, note, isHead }) => [
      id,
      createdAt,
      reason,
      state,
      bytes,
      newBytes,
      files,
      parent?.id ?? null,
      note,
      isHead ? 'head' : null,
    ]),
    none: `workspace ${name} has no snapshot yet: devctl down or devctl snapshot makes one`,
  });
  return undefined;
};

/** `devctl snapshot rm`. A name of a workspace has no underscore, so the first word tells whether there is one. */
export const remove: Run = async (cli, { args }) => {
  const given = args[0]?.includes('_') ? undefined : args[0];
  const ids = [...new Set(given === undefined ? args : args.slice(1))];
  if (ids.length === 0) throw new UsageError('which snapshot?', 'devctl snapshot rm [WORKSPACE] SNAPSHOT…; see devctl snapshots');
  for (const id of ids) check(snapshotIdSchema, id, { '': 'the snapshot' });
  const name = workspaceName(cli, given);
  const client = await clientFor(cli, name);
  if (!(await cli.confirm(`delete ${ids.join(', ')} of workspace ${name}?`))) return 1;
  const { done, code } = await each(cli, ids, false, async (snapshot) => {
    await withWorkspace(client, name, () => client.call('deleteSnapshot', { params: { name, snapshot } }));
    if (cli.form !== 'json') cli.print(`${name}@${snapshot} is deleted\n`);
    return { deleted: snapshot };
  });
  if (cli.form === 'json') cli.print(json(done));
  return code;
};
