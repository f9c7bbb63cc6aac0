import { request } from 'node:http';
import { connect } from 'node:net';
import type { BoxDisk, Orders } from '../launcher/contract/box.ts';
import { DevctlError } from '../launcher/contract/errors.ts';
import type { LauncherLink } from './ports.ts';

const ANSWER_TIMEOUT_MS = 10_000;
const ANSWER_MAX_BYTES = 256 * 1024;

/** The launcher over its unix socket. */
export function socketLink(socketPath: string, token: string): LauncherLink {
  const ask = async (path: string, body: unknown): Promise<unknown> => {
    const answer = await send(socketPath, path, token, JSON.stringify(body));
    const parsed: unknown = JSON.parse(answer.text);
    if (answer.status === 200) return parsed;
    // Loaded only when it is needed: a box should register before it has read every schema.
    const { problemSchema } = await import('../launcher/contract/problem.ts');
    throw DevctlError.fromProblem(problemSchema.parse(parsed));
  };
  return { post: (path, body) => ask(path, body) as Promise<Orders>, disk: (body) => ask('/boxes/disk', body) as Promise<BoxDisk> };
}

function send(socketPath: string, path: string, token: string, body: string): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const outgoing = request(
      {
        // A connection of its own for each request: an agent of node:http first looks whether the host is an address, with
        // patterns that take longer to make than the request itself.
        createConnection: () => connect(socketPath),
        path,
        method: 'POST',
        headers: {
          host: 'localhost',
          authorization: `Bearer ${token}`,
          'content-type': 'application/json',
          'content-length': Buffer.byteLength(body),
        },
      },
      (answer) => {
        const chunks: Buffer[] = [];
        let size = 0;
        answer.on('data', (chunk: Buffer) => {
          size += chunk.length;
          if (size > ANSWER_MAX_BYTES) answer.destroy(new Error('answer is too long'));
          else chunks.push(chunk);
        });
        answer.on('end', () => resolve({ status: answer.statusCode ?? 0, text: Buffer.concat(chunks).toString() }));
        answer.on('error', reject);
      },
    );
    // Not by the option: that one is for connections which node:http makes itself.
    outgoing.setTimeout(ANSWER_TIMEOUT_MS, () => outgoing.destroy(new Error('the launcher did not answer in time')));
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}
