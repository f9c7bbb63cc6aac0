import { join } from 'node:path';
import { freezeRequestSchema, quiesceRequestSchema, thawRequestSchema } from '../launcher/contract/agent.ts';
import { AGENT_ROUTES } from '../launcher/contract/agent-config.ts';
import { Freezer } from './freezer.ts';
import { Journal } from './journal.ts';
import { Quiescer } from './quiesce.ts';
import { type Handler, readJson } from './server.ts';
import type { ServiceDeps } from './services.ts';

export interface Saving {
  quiescer: Quiescer;
  handlers: ReadonlyMap<string, Handler>;
}

/** What the agent does so that its disk can be copied. */
export function makeSaving({ config, box, processes, gate, mount, log }: ServiceDeps): Saving {
  const journal = new Journal(join(config.paths.workspace, '.devctl-box'));
  const quiescer = new Quiescer({ config, box, processes, gate, journal, mount, log });
  const freezer = new Freezer({ processes, gate, mount, log });
  const handlers = new Map<string, Handler>([
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
    [`POST ${AGENT_ROUTES.thaw}`, async (incoming) => freezer.thaw(thawRequestSchema.parse(await readJson(incoming)).operationId)],
  ]);
  return { quiescer, handlers };
}
