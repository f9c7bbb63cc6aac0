import { readFileSync } from 'node:fs';
import { type IncomingMessage, request } from 'node:http';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { AGENT_ROUTES, EXEC_UPGRADE, MACHINE_CONFIG, type MachineConfig } from '../launcher/contract/agent-config.ts';
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
  process.stdout.write(`${gzipSync(JSON.stringify(told)).toString('base64')}\n`);
  return 0;
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
