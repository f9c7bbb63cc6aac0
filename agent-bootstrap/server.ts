import { rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { AGENT_ROUTES, EXEC_UPGRADE, FORWARD_UPGRADE } from '../launcher/contract/agent-config.ts';
import type { Log } from './ports.ts';
import type { SecretMask } from './secret-mask.ts';

const JSON_MAX_BYTES = 64 * 1024;
const CONNECTIONS_MAX = 128;
const HEADERS_MS = 5_000;

export type Handler = (incoming: IncomingMessage, url: URL, answer: ServerResponse) => Promise<unknown>;

/** A port of loopback, which every process of the machine can connect to. */
interface Guarded {
  port: number;
  mayEnter(authorization: string | undefined): boolean;
}

interface Answering {
  /** What answers `METHOD /path`. */
  handler(key: string): Promise<Handler | undefined>;
  /** For what handlers give back, such as the names of processes. */
  mask: SecretMask;
  log: Log;
}

interface AgentServices extends Answering {
  /** Takes over a stream of exec frames. */
  exec(socket: Duplex, head: Buffer): Promise<void>;
  /** Joins the connection with a port of the box. */
  forward(port: number, socket: Duplex, head: Buffer): Promise<void>;
}

/**
 * The agent's interface for its launcher. Only the box's own user and the launcher can reach the folder of a socket.
 * Processes of the workload have the same user and so may call it too: it gives them nothing that they do not have.
 * A handler's result is sent as JSON, unless it has written the answer itself; an error is sent as problem+json.
 */
export function serveAgent(at: string | Guarded, services: AgentServices): Server {
  const mayEnter = (incoming: IncomingMessage) => typeof at === 'string' || at.mayEnter(incoming.headers.authorization);
  const server = createServer((incoming, answer) => {
    if (mayEnter(incoming)) void handle(services, incoming, answer);
    else answer.writeHead(401, { connection: 'close' }).end();
  });
  server.on('upgrade', (incoming, socket, head) => {
    // A client that leaves early is no fault of the box.
    socket.on('error', () => {});
    const { pathname, searchParams } = new URL(incoming.url ?? '/', 'http://box');
    const wanted = mayEnter(incoming) ? incoming.headers.upgrade : undefined;
    if (wanted === FORWARD_UPGRADE && pathname === AGENT_ROUTES.forward) {
      void services.forward(Number(searchParams.get('port')), socket, head);
      return;
    }
    if (wanted !== EXEC_UPGRADE) {
      socket.end('HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n');
      return;
    }
    socket.write(`HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: ${EXEC_UPGRADE}\r\n\r\n`);
    void services.exec(socket, head);
  });
  // Uploads may take long; who may call at all is the launcher's to say.
  server.requestTimeout = 0;
  if (typeof at !== 'string') {
    // Every process of the machine can connect here: what they leave open takes nothing from the agent.
    server.maxConnections = CONNECTIONS_MAX;
    server.headersTimeout = HEADERS_MS;
    // Somebody else is there, whom the launcher would take for this agent.
    server.on('error', (error) => {
      services.log(`the agent cannot listen on port ${at.port}: ${error.message}`);
      process.exit(1);
    });
    return server.listen(at.port, '127.0.0.1');
  }
  // Left by an agent that was killed: nobody listens there.
  rmSync(at, { force: true });
  return server.listen(at);
}

/** Answers one request. Does not throw. */
export async function handle({ handler: find, mask, log }: Answering, incoming: IncomingMessage, answer: ServerResponse): Promise<void> {
  try {
    const url = new URL(incoming.url ?? '/', 'http://box');
    const handler = await find(`${incoming.method} ${url.pathname}`);
    if (!handler) {
      const { DevctlError } = await import('../launcher/contract/errors.ts');
      throw new DevctlError('not_found', `the agent has no ${incoming.method} ${url.pathname}`);
    }
    const result = await handler(incoming, url, answer);
    if (!answer.headersSent) sendJson(answer, 200, 'application/json', mask.json(result ?? {}));
  } catch (error) {
    await sendProblem(incoming, answer, error, log);
  }
}

async function sendProblem(incoming: IncomingMessage, answer: ServerResponse, error: unknown, log: Log): Promise<void> {
  const { toDevctlError } = await import('./errors.ts');
  const problem = toDevctlError(error).toProblem();
  log(`${incoming.method} ${incoming.url?.split('?')[0]}: ${problem.code}: ${problem.detail}`);
  if (answer.headersSent) {
    answer.destroy();
    return;
  }
  sendJson(answer, problem.status, 'application/problem+json', problem);
  // What is left of a refused body is thrown away: closing on it would lose the answer.
  incoming.resume();
}

function sendJson(answer: ServerResponse, status: number, type: string, value: unknown): void {
  const text = JSON.stringify(value);
  answer.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(text) });
  answer.end(text);
}

/** The JSON body of a small request. @throws DevctlError too_large, SyntaxError */
export async function readJson(incoming: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of incoming as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > JSON_MAX_BYTES) {
      const { DevctlError } = await import('../launcher/contract/errors.ts');
      throw new DevctlError('too_large', `a body may have ${JSON_MAX_BYTES} bytes here`);
    }
    chunks.push(chunk);
  }
  return JSON.parse(Buffer.concat(chunks).toString());
}
