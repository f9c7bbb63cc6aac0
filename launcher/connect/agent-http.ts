import { type ClientRequest, type IncomingMessage, request } from 'node:http';
import type { Duplex, Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { AGENT_ROUTES, EXEC_UPGRADE, FORWARD_UPGRADE } from '../contract/agent-config.ts';
import { DevctlError } from '../contract/errors.ts';
import { problemSchema } from '../contract/problem.ts';
import { reasonOf } from '../contract/system-errors.ts';
import { ReachError } from './errors.ts';

const JSON_MAX_BYTES = 4 * 1024 * 1024;

/** The way to the agent of one box. */
export interface Way {
  /** A new connection. @throws ReachError unreachable */
  connect(): Promise<Duplex>;
  /** Value of the Authorization header, where others could connect, too. */
  authorization?: string;
  /** Called when nobody answered: the way may be no good. */
  onNoAnswer?(): void;
}

interface AgentCall {
  method: 'GET' | 'POST' | 'PUT';
  /** With its query. */
  path: string;
  body?: string | Readable;
  /** Longest silence on the connection. */
  idleTimeoutMs: number;
}

/** Asks the agent for JSON. @throws ReachError unreachable, DevctlError as the agent says */
export async function askAgent(way: Way, call: AgentCall): Promise<unknown> {
  const answer = await callAgent(way, call);
  const text = await readText(answer);
  const parsed = parseJson(text);
  if (parsed === undefined) throw new ReachError('transient', 'the agent of the box answered with something that is no JSON');
  return parsed;
}

/** The answer of the agent, when it is a success. Its body must be read or destroyed. */
export async function callAgent(way: Way, call: AgentCall): Promise<IncomingMessage> {
  const socket = await way.connect();
  let abandon = () => {};
  const answer = await new Promise<IncomingMessage>((resolve, reject) => {
    const failed = (error: Error) => {
      way.onNoAnswer?.();
      reject(new ReachError('unreachable', `the agent of the box: ${reasonOf(error)}`, { cause: error }));
    };
    const json = typeof call.body === 'string';
    const outgoing = request(
      {
        createConnection: () => socket,
        method: call.method,
        path: call.path,
        headers: {
          host: 'box',
          connection: 'close',
          ...(way.authorization && { authorization: way.authorization }),
          ...(json && { 'content-type': 'application/json', 'content-length': Buffer.byteLength(call.body as string) }),
        },
      },
      resolve,
    );
    abandon = () => outgoing.destroy();
    boundSilence(outgoing, call.idleTimeoutMs);
    outgoing.on('error', failed);
    if (call.body !== undefined && !json) pipeline(call.body as Readable, outgoing).catch(failed);
    else outgoing.end(call.body as string | undefined);
  });
  if (answer.statusCode === 200) return answer;
  // A refusal may come before the whole body is sent: the rest is of no use then.
  const problem = await problemOf(answer);
  abandon();
  throw problem;
}

/** Not by the option of `request`: that one is for connections which node:http makes itself. */
function boundSilence(outgoing: ClientRequest, timeoutMs: number): void {
  outgoing.setTimeout(timeoutMs, () => outgoing.destroy(new Error(`it has not answered for ${timeoutMs / 1000} s`)));
}

async function problemOf(answer: IncomingMessage): Promise<Error> {
  const parsed = problemSchema.safeParse(parseJson(await readText(answer)));
  if (answer.statusCode === 401) return new ReachError('transient', 'the agent of the box does not know this launcher yet');
  if (!parsed.success) return new ReachError('transient', `the agent of the box answered ${answer.statusCode}`);
  return DevctlError.fromProblem(parsed.data);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

async function readText(answer: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of answer as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > JSON_MAX_BYTES) throw new Error('the answer is too long');
      chunks.push(chunk);
    }
  } catch (error) {
    throw new ReachError('unreachable', `the agent of the box: ${reasonOf(error)}`, { cause: error });
  }
  return Buffer.concat(chunks).toString();
}

/** A byte stream of exec frames. @throws ReachError unreachable */
export const openExec = (way: Way, timeoutMs: number): Promise<Duplex> => upgraded(way, AGENT_ROUTES.exec, EXEC_UPGRADE, timeoutMs);

/** A connection to a port of the box's loopback. @throws ReachError unreachable, DevctlError not_found when nothing listens there */
export const openPort = (way: Way, port: number, timeoutMs: number): Promise<Duplex> =>
  upgraded(way, `${AGENT_ROUTES.forward}?port=${port}`, FORWARD_UPGRADE, timeoutMs);

async function upgraded(way: Way, path: string, upgrade: string, timeoutMs: number): Promise<Duplex> {
  const socket = await way.connect();
  return new Promise((resolve, reject) => {
    const failed = (error: Error) => {
      way.onNoAnswer?.();
      reject(new ReachError('unreachable', `the agent of the box: ${reasonOf(error)}`, { cause: error }));
    };
    const outgoing = request({
      createConnection: () => socket,
      path,
      headers: {
        host: 'box',
        connection: 'Upgrade',
        upgrade,
        ...(way.authorization && { authorization: way.authorization }),
      },
    });
    outgoing.on('upgrade', (_answer, stream, head) => {
      stream.setTimeout(0);
      if (head.length > 0) stream.unshift(head);
      resolve(stream);
    });
    outgoing.on('response', (answer) => {
      const isProblem = answer.headers['content-type'] === 'application/problem+json';
      if (isProblem) problemOf(answer).then(reject, failed);
      else {
        answer.destroy();
        failed(new Error(`it answered ${answer.statusCode}`));
      }
    });
    boundSilence(outgoing, timeoutMs);
    outgoing.on('error', failed);
    outgoing.end();
  });
}
