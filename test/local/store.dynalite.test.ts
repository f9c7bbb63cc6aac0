import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createEmbeddedClient } from '../../launcher/stores/dynamo/embedded.ts';
import { Engine } from '../../launcher/stores/embedded/engine.ts';
import { storeContract } from '../contract/store.suite.ts';

storeContract('the embedded engine', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'devctl-store-'));
  const engine = await Engine.open(dir, { sync: false });
  return {
    connect: () => createEmbeddedClient(engine),
    close: async () => {
      await engine.close();
      await rm(dir, { recursive: true, force: true });
    },
  };
});
