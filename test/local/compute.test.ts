import { setTimeout as sleep } from 'node:timers/promises';
import { describe } from 'vitest';
import { type ComputeSubject, computeSuite } from '../contract/compute.suite.ts';
import { launchRequest, openBench, shell } from './local-harness.ts';

async function open(isolation: 'bubblewrap' | 'unshare'): Promise<ComputeSubject> {
  const bench = await openBench({ isolation });
  const { launcher, provider } = bench;
  return {
    ports: provider,
    request(patch) {
      const request = launchRequest(patch);
      launcher.tokens.set(request.tags.sessionId, request.boxToken);
      return request;
    },
    ready: (box) => launcher.ready(box),
    order: (box, orders) => launcher.orders.set(box.sessionId, orders),
    write: async (box, path, line) => {
      await shell(provider, box, `echo '${line}' > /workspace/${path}`);
    },
    read: (box, path) => shell(provider, box, `cat /workspace/${path}`),
    shell: (box, line) => shell(provider, box, line),
    pause: sleep,
    close: bench.close,
  };
}

describe.each(['bubblewrap', 'unshare'] as const)('local provider on %s', (isolation) => {
  computeSuite(isolation, () => open(isolation));
});
