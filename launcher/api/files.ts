import { pipeline, Readable, Transform } from 'node:stream';
import { DevctlError } from '../contract/errors.ts';
import { changeWorkspaceOf } from '../ledger/workspaces.ts';
import { openBox } from './activity.ts';
import type { Call, Reply, Upload } from './operation.ts';
import { keyOf, readSession, workspaceOf } from './reads.ts';
import { untilReady } from './sessions.ts';
import { assertStillValid } from './tokens.ts';

/** A Node stream as the body of an answer; leaving it early ends the source, and an error of the source cuts the answer off. */
export function streamReply(source: Readable, contentType: string, onChunk: () => void = () => undefined): Response {
  const bytes = new Transform({
    transform(chunk: Uint8Array | string, _encoding, done) {
      onChunk();
      done(null, chunk);
    },
  });
  pipeline(source, bytes, () => undefined);
  const body = Readable.toWeb(bytes) as unknown as ReadableStream<Uint8Array>;
  return new Response(body, { headers: { 'content-type': contentType } });
}

/** Hands an upload to the box. Why it was cut off says more than what the box makes of half an archive. */
async function passOn<T>(upload: Upload, use: (tar: Readable) => Promise<T>): Promise<T> {
  try {
    return await use(upload.stream);
  } catch (error) {
    throw upload.failure() ?? error;
  } finally {
    upload.stream.destroy();
  }
}

export async function putFiles(call: Call<'putFiles'>): Promise<Reply<'putFiles'>> {
  const { path } = call.query;
  const { box, alive } = await openBox(call, call.params.id, { kind: 'connection', detail: `copy to ${path}` });
  return { body: await passOn(call.upload(alive), (tar) => call.deps.access.putFiles(box, path, tar)) };
}

export async function getFiles(call: Call<'getFiles'>): Promise<Reply<'getFiles'>> {
  const { path } = call.query;
  const { box, alive } = await openBox(call, call.params.id, { kind: 'connection', detail: `copy of ${path}` });
  return streamReply(await call.deps.access.getFiles(box, path), 'application/x-tar', alive);
}

export async function importSource(call: Call<'importSource'>): Promise<Reply<'importSource'>> {
  const { deps, params, query } = call;
  const session = await readSession(call, params.id);
  if (query.wait === 'ready') {
    await untilReady(call, keyOf(call, params.id), query.timeout);
    await assertStillValid(deps, call.caller);
  }
  const { box, alive } = await openBox(call, params.id, { kind: 'connection', detail: 'import of the source' });
  const workspace = await workspaceOf(deps, session);
  if (workspace?.content !== 'empty')
    throw new DevctlError('workspace_not_empty', `workspace ${session.workspace} has files already`, { sessionId: session.id });
  const result = await passOn(call.upload(alive), (tar) => deps.access.importSource(box, tar));
  // The heartbeat says so too: a launcher that dies here loses nothing.
  await changeWorkspaceOf(deps, session, (current) => (current.content === 'present' ? null : { ...current, content: 'present' }));
  return { body: result };
}

export async function logs(call: Call<'logs'>): Promise<Response> {
  const { deps, params, query } = call;
  const session = await readSession(call, params.id);
  const type = 'text/plain; charset=utf-8';
  if (session.box === null) return new Response('', { headers: { 'content-type': type } });
  const box = { boxId: session.box.id, sessionId: session.id, generation: session.generation };
  return streamReply(await deps.access.logs(box, { tailLines: query.tail, follow: query.follow === 'true' }), type);
}
