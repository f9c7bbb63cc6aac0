import { spawn } from 'node:child_process';
import type { ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { DevctlError } from '../launcher/contract/errors.ts';

/** Sends the last lines of the agent's log; with `follow=true` what is added, too, until the reader leaves. @throws DevctlError not_found */
export async function sendLog(path: string | undefined, url: URL, answer: ServerResponse): Promise<void> {
  if (path === undefined) throw new DevctlError('not_found', 'the launcher itself keeps the log of this box');
  const lines = Math.max(0, Number.parseInt(url.searchParams.get('tail') ?? '', 10) || 0);
  const follow = url.searchParams.get('follow') === 'true';
  const tail = spawn('tail', ['-n', String(lines), ...(follow ? ['-F'] : []), path], { stdio: ['ignore', 'pipe', 'ignore'] });
  answer.once('close', () => tail.kill());
  answer.writeHead(200, { 'content-type': 'text/plain; charset=utf-8' });
  // A reader that leaves in the middle is no fault.
  await pipeline(tail.stdout, answer).catch(() => {});
}
