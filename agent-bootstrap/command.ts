import { readFileSync } from 'node:fs';
import { type IncomingMessage, request } from 'node:http';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { gzipSync } from 'node:zlib';
import {
  AGENT_ROUTES,
  COMMAND_OUTPUT_MAX_CHARS,
  EXEC_UPGRADE,
  MACHINE_CONFIG,
  type MachineConfig,
} from '../launcher/contract/agent-config.ts';
import { decodeJson, encodeFrame, encodeJsonFrame, FRAME, FrameReader } from '../launcher/contract/exec-frames.ts';
import type { ExecExit } from '../launcher/contract/exec-messages.ts';

/** The agent does not listen, or went away. As EX_TEMPFAIL of sysexits. */
const NOT_REACHED = 75;

/**
 * `devctl-agent call PATH JSON` and `devctl-agent exec JSON`, for a launcher that reaches the box by Systems Manager only: they ask
 * the agent that runs, over its socket. JSON comes in base64, which no shell looks into.
 * @returns exit code
 */
export async function runCommand([verb, ...args]: string[]): Promise<number> {
  const path = process.env['DEVCTL_AGENT_CONFIG'] ?? MACHINE_CONFIG;
  try {
    const { paths } = JSON.parse(readFileSync(path, 'utf8')) as MachineConfig;
    const socketPath = join(paths.run, 'agent', 'agent.sock');
    return verb === 'exec' ? await exec(socketPath, unpack(args[0])) : await call(socketPath, args[0] ?? '', unpack(args[1]));
  } catch (error) {
    process.stderr.write(`devctl-agent: ${error instanceof Error ? error.message : error}\n`);
    return NOT_REACHED;
  }
}

const unpack = (text = ''): string => Buffer.from(text, 'base64').toString();

/** Prints the answer packed: what carries it is short of room. */
async function call(socketPath: string, path: string, body: string): Promise<number> {
  const answer = await new Promise<IncomingMessage>((resolve, reject) => {
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
    request({ socketPath, path, method: 'POST', headers }, resolve).on('error', reject).end(body);
  });
  const chunks: Buffer[] = [];
  for await (const chunk of answer as AsyncIterable<Buffer>) chunks.push(chunk);
  const told = { status: answer.statusCode, answer: JSON.parse(Buffer.concat(chunks).toString()) as unknown };
  process.stdout.write(`${packed(told)}\n`);
  return 0;
}

interface Told {
  status: number | undefined;
  answer: unknown;
}

/** Of a report that is too long, half of the list that takes most room is left out, until it fits; it says that something is missing. */
export function packed(told: Told): string {
  for (let answer: unknown = told.answer; ; ) {
    const text = gzipSync(JSON.stringify({ ...told, answer })).toString('base64');
    // With the end of its line.
    const fits = text.length + 1 < COMMAND_OUTPUT_MAX_CHARS;
    const shorter = fits ? null : shortened(answer);
    if (shorter === null) return text;
    answer = shorter;
  }
}

/** Null when there is nothing to leave out. */
function shortened(answer: unknown): object | null {
  if (typeof answer !== 'object' || answer === null || !('truncated' in answer)) return null;
  const lists = Object.entries(answer).filter((entry): entry is [string, unknown[]] => Array.isArray(entry[1]) && entry[1].length > 0);
  const [longest] = lists.sort(([, one], [, other]) => JSON.stringify(other).length - JSON.stringify(one).length);
  return longest ? { ...answer, [longest[0]]: longest[1].slice(0, longest[1].length / 2), truncated: true } : null;
}

async function exec(socketPath: string, start: string): Promise<number> {
  const stream = await new Promise<Duplex>((resolve, reject) => {
    const headers = { host: 'box', connection: 'Upgrade', upgrade: EXEC_UPGRADE };
    request({ socketPath, path: AGENT_ROUTES.exec, headers })
      .on('upgrade', (_answer, socket, head) => {
        if (head.length > 0) socket.unshift(head);
        resolve(socket);
      })
      .on('response', (answer) => reject(new Error(`the agent answered ${answer.statusCode}`)))
      .on('error', reject)
      .end();
  });
  stream.write(encodeJsonFrame(FRAME.start, JSON.parse(start)));
  stream.write(encodeFrame(FRAME.stdinEnd));
  const reader = new FrameReader();
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    for (const { type, payload } of reader.push(chunk)) {
      if (type === FRAME.stdout) process.stdout.write(payload);
      if (type === FRAME.stderr) process.stderr.write(payload);
      if (type === FRAME.exit) return (decodeJson(payload) as ExecExit).code;
      if (type === FRAME.error) throw new Error((decodeJson(payload) as { detail: string }).detail);
    }
  }
  throw new Error('the agent went away');
}
