import type { ResourceTags } from '../../ports/compute.ts';
import type { Calls } from './calls.ts';
import { classOf } from './errors.ts';
import { readTags } from './tags.ts';

/** Whose a thing is, by its tags: null for what is not there any more, is another deployment's, or is nobody's now. */
export interface Whose {
  instance(id: string): Promise<ResourceTags | null>;
  volume(id: string): Promise<ResourceTags | null>;
  snapshot(id: string): Promise<ResourceTags | null>;
}

/** Asks AWS each time. @throws errors of AWS */
export function createWhose({ calls, deployment }: { calls: Calls; deployment: string }): Whose {
  const seen = async <T>(look: Promise<T>): Promise<T | null> => {
    try {
      return await look;
    } catch (error) {
      if (classOf(error) === 'not_found') return null;
      throw error;
    }
  };
  return {
    async instance(id) {
      const found = await seen(calls.make('describeInstances', { InstanceIds: [id] }));
      return readTags(found?.Reservations?.[0]?.Instances?.[0]?.Tags, deployment);
    },
    async volume(id) {
      const found = await seen(calls.make('describeVolumes', { VolumeIds: [id] }));
      return readTags(found?.Volumes?.[0]?.Tags, deployment);
    },
    async snapshot(id) {
      const found = await seen(calls.make('describeSnapshots', { SnapshotIds: [id] }));
      return readTags(found?.Snapshots?.[0]?.Tags, deployment);
    },
  };
}
