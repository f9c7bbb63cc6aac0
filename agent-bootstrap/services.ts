import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { freezeRequestSchema, quiesceRequestSchema, thawRequestSchema } from '../launcher/contract/agent.ts';
import { AGENT_ROUTES, type BoxConfig } from '../launcher/contract/agent-config.ts';
import { DevctlError } from '../launcher/contract/errors.ts';
import type { EvidenceLog } from './evidence-log.ts';
import { handleExec } from './exec.ts';
import { Files } from './files.ts';
import { Freezer } from './freezer.ts';
import { Journal } from './journal.ts';
import { sendPath } from './pack.ts';
import { resolveInBox } from './paths.ts';
import type { Log } from './ports.ts';
import type { Processes } from './processes.ts';
import { Quiescer } from './quiesce.ts';
import { type Handler, readJson } from './server.ts';
import type { CommandSessions } from './sessions.ts';
import type { BoxState } from './state.ts';
import type { WriteGate } from './write-gate.ts';

export interface ServiceDeps {
  config: BoxConfig;
  box: BoxState;
  evidence: EvidenceLog;
  processes: Processes;
  sessions: CommandSessions;
  gate: WriteGate;
  log: Log;
}

interface Services {
  quiescer: Quiescer;
  handlers(wake: () => void): ReadonlyMap<string, Handler>;
  exec(socket: Duplex, head: Uint8Array): void;
}

let made: Services | null = null;

/** What the agent does for its launcher on request; made once. */
export function servicesOf(deps: ServiceDeps): Services {
  made ??= makeServices(deps);
  return made;
}

function makeServices(deps: ServiceDeps): Services {
  const { config, box, processes, gate, log } = deps;
  const journal = new Journal(join(config.paths.workspace, '.devctl-box'));
  const quiescer = new Quiescer({ config, box, processes, gate, journal, log });
  const files = new Files({ config, box, gate });
  const freezer = new Freezer(processes, gate, log);
  const handlers = (wake: () => void) =>
    new Map<string, Handler>([
      [`POST ${AGENT_ROUTES.poke}`, async () => wake()],
      [
        `POST ${AGENT_ROUTES.quiesce}`,
        async (incoming) => quiescer.quiesce(quiesceRequestSchema.parse(await readJson(incoming)).operationId),
      ],
      [
        `POST ${AGENT_ROUTES.freeze}`,
        async (incoming) => {
          const { operationId, forMs } = freezeRequestSchema.parse(await readJson(incoming));
          return freezer.freeze(operationId, forMs);
        },
      ],
      [`PUT ${AGENT_ROUTES.import}`, async (incoming) => files.import(incoming)],
      [`PUT ${AGENT_ROUTES.files}`, async (incoming, url) => files.put(pathOf(url), incoming)],
      [
        `GET ${AGENT_ROUTES.files}`,
        async (_incoming, url, answer) => sendPath(resolveInBox(config.paths.workspace, pathOf(url)), answer, log),
      ],
      [`POST ${AGENT_ROUTES.thaw}`, async (incoming) => freezer.thaw(thawRequestSchema.parse(await readJson(incoming)).operationId)],
    ]);
  return { quiescer, handlers, exec: (socket, head) => handleExec(deps, socket, head) };
}

const pathOf = (url: URL): string => {
  const path = url.searchParams.get('path');
  if (!path || path.includes('\0')) throw new DevctlError('invalid_request', 'the query has no usable path');
  return path;
};
