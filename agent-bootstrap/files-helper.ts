import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { Socket } from 'node:net';
import { AGENT_ROUTES, type BoxConfig } from '../launcher/contract/agent-config.ts';
import { Files } from './files.ts';
import { sendPath } from './pack.ts';
import { paramOf, pathOf, resolveInBox } from './paths.ts';
import type { Log } from './ports.ts';
import { SecretMask } from './secret-mask.ts';
import { type Handler, handle } from './server.ts';
import { BoxState } from './state.ts';
import { WriteGate } from './write-gate.ts';

/** Descriptor of the connection to the agent that has started this process. */
export const AGENT_FD = 3;
/** Where an import waits for the agent to put it in its place. */
export const STAGING_PARAM = 'staging';

/** What of the agent's configuration copying needs. */
export type FilesConfig = Pick<BoxConfig, 'paths' | 'limits' | 'user'>;

/**
 * `agent.cjs files`: copies files in and out for one request, as the user of the workload. Whatever the workload puts in its way while
 * it does so (a link in the place of a folder, a pipe in the place of a file) leads it nowhere where the workload could not go itself.
 */
export function serveFiles(log: Log): void {
  const config = JSON.parse(readFileSync(0, 'utf8')) as FilesConfig;
  const handlers = fileHandlers(config, log);
  // It knows no secret that there would be to mask.
  const mask = new SecretMask();
  const server = createServer(
    (incoming, answer) => void handle({ handler: async (key) => handlers.get(key), mask, log }, incoming, answer),
  );
  server.requestTimeout = 0;
  const agent = new Socket({ fd: AGENT_FD, readable: true, writable: true });
  agent.on('close', () => process.exit(0));
  server.emit('connection', agent);
}

function fileHandlers(config: FilesConfig, log: Log): ReadonlyMap<string, Handler> {
  // Whether anything may be written now, the agent says: it sends no more of a body.
  const files = new Files({ config, box: new BoxState(), gate: new WriteGate() });
  return new Map<string, Handler>([
    [`PUT ${AGENT_ROUTES.import}`, async (incoming, url) => files.importAt(paramOf(url, STAGING_PARAM), incoming)],
    [`PUT ${AGENT_ROUTES.files}`, async (incoming, url) => files.put(pathOf(url), incoming)],
    [
      `GET ${AGENT_ROUTES.files}`,
      async (_incoming, url, answer) => sendPath(resolveInBox(config.paths.workspace, pathOf(url)), answer, log),
    ],
  ]);
}
