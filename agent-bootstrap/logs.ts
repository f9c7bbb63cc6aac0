import { spawn } from 'node:child_process';
import { createReadStream, existsSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { DevctlError } from '../launcher/contract/errors.ts';
import { olderLog } from './box-log.ts';

const NEWLINE = 10;

/** Sends the last lines of the agent's log; with `follow=true` what is added, too, until the reader leaves. @throws DevctlError not_found */
export async function sendLog(path: string | undefined, url: URL, answer: ServerResponse): Promise<void> {
  if (path === undefined) throw new DevctlError('not_found', 'the launcher itself keeps the log of this box');
  const lines = Math.max(0, Number.parseInt(url.searchParams.get('tail') ?? '', 10) || 0);
  const follow = url.searchParams.get('follow') === 'true';
  // The file may have been begun anew a moment ago.
  const earlier = existsSync(olderLog(path)) ? lines - (await linesIn(path, lines).catch(() => 0)) : 0;
  const parts = [['-n', String(lines), ...(follow ? ['-F'] : []), path]];
  if (earlier > 0) parts.unshift(['-n', String(earlier), olderLog(path)]);
  answer.writeHead(200, { 'content-type': 'text/plain; charset=utf-8' });
  // A reader that leaves in the middle is no fault.
  await pipeline(() => tailsOf(parts, answer), answer).catch(() => {});
}

/** What one `tail` after the other says, until the reader leaves. */
async function* tailsOf(parts: readonly string[][], answer: ServerResponse): AsyncGenerator<Buffer> {
  for (const args of parts) {
    const tail = spawn('tail', args, { stdio: ['ignore', 'pipe', 'ignore'] });
    const leave = () => tail.kill();
    answer.once('close', leave);
    yield* tail.stdout as AsyncIterable<Buffer>;
    answer.off('close', leave);
  }
}

/** How many lines a file has, as far as it matters whether there are so many. */
async function linesIn(path: string, enough: number): Promise<number> {
  let count = 0;
  for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) {
    for (const byte of chunk) if (byte === NEWLINE) count += 1;
    if (count >= enough) return enough;
  }
  return count;
}
