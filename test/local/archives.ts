import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { extract, type Header, type Pack, pack } from 'tar-stream';

export type ArchiveItem = Parameters<Pack['entry']>[0] & { content?: string | Buffer };

/** A tar archive of exactly these entries, however hostile. */
export async function tarOf(items: ArchiveItem[]): Promise<Buffer> {
  const archive = pack();
  for (const { content, ...header } of items) {
    if (content === undefined) archive.entry(header);
    else archive.entry(header, content);
  }
  archive.finalize();
  return buffer(archive);
}

export const streamOf = (bytes: Buffer): Readable => Readable.from([bytes], { objectMode: false });

/** Entries of a tar stream with their content. */
export async function readTar(stream: Readable): Promise<Array<Header & { content: Buffer }>> {
  const archive = extract();
  const found: Array<Header & { content: Buffer }> = [];
  stream.on('error', (error) => archive.destroy(error));
  stream.pipe(archive);
  for await (const entry of archive) found.push({ ...entry.header, content: await buffer(entry as AsyncIterable<Buffer>) });
  return found;
}
