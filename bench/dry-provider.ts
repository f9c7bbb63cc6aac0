import type { AccessPort } from '../launcher/ports/access.ts';
import { type BoxOffers, ComputeError, type ComputePort, type SnapshotStatus } from '../launcher/ports/compute.ts';

const nothing = async (): Promise<never> => {
  throw new ComputeError('unreachable', 'a dry box has no inside');
};
export const DRY_OFFERS: BoxOffers = { architectures: ['x86_64'], instanceTypes: false, awsRole: false };
const ABSENT: SnapshotStatus = { state: 'absent', bytes: null, newBytes: null, files: null };

/** Makes nothing and says at once that it did: what is left is the work of the control plane itself. */
export class DryProvider implements ComputePort {
  readonly name = 'dry';
  readonly storagePrices = null;
  readonly pool = null;
  readonly offers = DRY_OFFERS;
  /** Boxes that were asked for. */
  launches = 0;

  async launch({ tags }: Parameters<ComputePort['launch']>[0]) {
    this.launches += 1;
    return { boxId: `box-${tags.operationId}`, volumeId: `vol-${tags.operationId}`, description: 'dry' };
  }
  observe = async () => 'running' as const;
  quiesce = nothing;
  snapshot = nothing;
  observeSnapshot = async () => ABSENT;
  park = async () => {};
  end = async () => {};
  dropVolume = async () => {};
  dropSnapshot = async () => {};
  list = async () => ({ items: [], complete: true });
}

export const dryAccess: AccessPort = {
  exec: nothing,
  putFiles: nothing,
  getFiles: nothing,
  importSource: nothing,
  logs: nothing,
  poke: async () => {},
};
