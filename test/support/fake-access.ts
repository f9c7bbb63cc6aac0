import { Readable } from 'node:stream';
import type { AccessPort } from '../../launcher/ports/access.ts';
import { ComputeError } from '../../launcher/ports/compute.ts';
import type { FakeCompute } from './fake-compute.ts';

const unreachable = async (): Promise<never> => {
  throw new ComputeError('unreachable', 'nobody reaches into a fake box');
};

/** Reaches no box; a poke makes a quiet one open again, as the orders that it would fetch say. */
export const fakeAccess = (compute: FakeCompute): AccessPort => ({
  exec: unreachable,
  putFiles: unreachable,
  getFiles: unreachable,
  importSource: unreachable,
  logs: async () => Readable.from(['fake log\n']),
  poke: async (box) => compute.reopen(box.boxId),
});
