import { freezeRequestSchema, quiesceRequestSchema, thawRequestSchema } from '../launcher/contract/agent.ts';
import { AGENT_ROUTES } from '../launcher/contract/agent-config.ts';
import { Freezer } from './freezer.ts';
import { Journal } from './journal.ts';
import { Quiescer } from './quiesce.ts';
import type { Secrets } from './secrets.ts';
import { type Handler, readJson } from './server.ts';
import type { ServiceDeps } from './services.ts';
import { noteFile, stateFolder } from './workspace-folders.ts';

export interface Saving {
  quiescer: Quiescer;
  handlers: ReadonlyMap<string, Handler>;
}

/** What the agent does so that its disk can be copied. */
export function makeSaving(deps: ServiceDeps & { endFiles: () => Promise<void>; secrets: Secrets }): Saving {
  const { config, box, processes, gate, mount, mask, secrets, log } = deps;
  const notes = new Journal(stateFolder(config));
  const journal = {
    find: (operationId: string) => notes.find(operationId),
    note: (operationId: string, result: unknown) => notes.note(operationId, mask.json(result)),
  };
  const isOpen = () => box.open && box.state !== 'quiesced';
  const freezer = new Freezer({ processes, gate, mount, isOpen, notePath: noteFile(config, 'frozen'), log });
  const quiescer = new Quiescer({ ...deps, journal, endCopy: () => freezer.giveUp(), clearMemory: () => secrets.clear() });
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
