import type { Duplex, Readable } from 'node:stream';
import * as z from 'zod';
import { AGENT_ROUTES } from '../../contract/agent-config.ts';
import type { AccessPort } from '../../ports/access.ts';
import type { BoxRef } from '../../ports/compute.ts';
import { askAgent, callAgent, openExec } from './agent-client.ts';
import type { Boxes } from './boxes.ts';
import { boxLogs } from './logs.ts';

/** Longest silence while files are moved: a big folder may take a while to be put in its place. */
const FILES_TIMEOUT_MS = 600_000;

const importedSchema = z.object({ files: z.int(), bytes: z.number() });

/**
 * Reaching into the boxes of this machine.
 * @param answerTimeoutMs longest silence of an agent that is asked for something small
 */
export function localAccess(boxes: Boxes, answerTimeoutMs: number): AccessPort {
  const put = async (box: BoxRef, path: string, tar: Readable) => {
    const socket = boxes.agentSocket(box);
    return importedSchema.parse(await askAgent(socket, { method: 'PUT', path, body: tar, idleTimeoutMs: FILES_TIMEOUT_MS }));
  };
  return {
    exec: async (box: BoxRef): Promise<Duplex> => openExec(boxes.agentSocket(box), answerTimeoutMs),
    putFiles: (box, path, tar) => put(box, `${AGENT_ROUTES.files}?${new URLSearchParams({ path })}`, tar),
    getFiles: async (box, path) =>
      callAgent(boxes.agentSocket(box), {
        method: 'GET',
        path: `${AGENT_ROUTES.files}?${new URLSearchParams({ path })}`,
        idleTimeoutMs: FILES_TIMEOUT_MS,
      }),
    importSource: (box, tar) => put(box, AGENT_ROUTES.import, tar),
    logs: async (box, options) => boxLogs(boxes.known(box).log, options, () => boxes.observe(box) === 'gone'),
    async poke(box) {
      try {
        await askAgent(boxes.agentSocket(box), {
          method: 'POST',
          path: AGENT_ROUTES.poke,
          body: '{}',
          idleTimeoutMs: answerTimeoutMs,
        });
      } catch {
        // Best effort: the next heartbeat fetches the same orders.
      }
    },
  };
}
