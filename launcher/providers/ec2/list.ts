import type { Filter, Instance, Snapshot, Tag, Volume } from '@aws-sdk/client-ec2';
import type { ListedResource, ResourceList } from '../../ports/compute.ts';
import { everyPage, type Page } from './batcher.ts';
import type { Calls } from './calls.ts';
import { classOf } from './errors.ts';
import type { Ec2Limits } from './limits.ts';
import { pagesOf } from './looks.ts';
import { readRef, readTags, refText, TAGS } from './tags.ts';

interface ListOptions {
  calls: Calls;
  limits: Ec2Limits;
  deployment: string;
}

const GIB = 1024 ** 3;
const ALIVE: Filter = { Name: 'instance-state-name', Values: ['pending', 'running', 'stopping', 'stopped'] };

/** Everything with the tag of this deployment. Spot requests are not among it: an instant fleet leaves none without its instance. */
export async function listAll({ calls, limits, deployment }: ListOptions, of?: { sessionId: string }): Promise<ResourceList> {
  const filters: Filter[] = [{ Name: `tag:${TAGS.deployment}`, Values: [deployment] }];
  if (of) filters.push({ Name: `tag:${TAGS.session}`, Values: [of.sessionId] });
  // What cleans up lists everything, and must get through when others are busy.
  const pages = pagesOf(calls, of ? 'work' : 'reaper');
  const tagsOf = (list: Tag[] | undefined) => readTags(list, deployment);
  const all = async <View>(
    page: (filters: Filter[], next: string | undefined) => Promise<Page<View>>,
    wanted: Filter[],
    read: (view: View) => ListedResource | null,
  ): Promise<ResourceList> => {
    try {
      const { views, complete } = await everyPage((next) => page(wanted, next), limits.pages);
      return { items: views.flatMap((view) => read(view) ?? []), complete };
    } catch (error) {
      if (classOf(error) === null) throw error;
      return { items: [], complete: false };
    }
  };
  const lists = await Promise.all([
    all(pages.instances, [...filters, ALIVE], (instance) => boxOf(instance, tagsOf(instance.Tags))),
    all(pages.volumes, filters, (volume) => volumeOf(volume, tagsOf(volume.Tags))),
    all(pages.snapshots, filters, (snapshot) => snapshotOf(snapshot, tagsOf(snapshot.Tags))),
  ]);
  return { items: lists.flatMap(({ items }) => items), complete: lists.every(({ complete }) => complete) };
}

const boxOf = ({ InstanceId: id = '', LaunchTime: at }: Instance, tags: ListedResource['tags']): ListedResource => ({
  kind: 'box',
  id,
  tags,
  createdAtMs: at?.getTime() ?? 0,
  bytes: null,
});

/** Root volumes have the tags of their launch too: they go with their instance, and are left out. */
function volumeOf(volume: Volume, tags: ListedResource['tags']): ListedResource | null {
  const { VolumeId: id = '', State: state, Attachments: attachments = [], CreateTime: at, Size: gib } = volume;
  if (state === 'deleting' || state === 'deleted' || attachments.some(({ DeleteOnTermination }) => DeleteOnTermination)) return null;
  return { kind: 'volume', id, tags, createdAtMs: at?.getTime() ?? 0, bytes: gib === undefined ? null : gib * GIB };
}

function snapshotOf(snapshot: Snapshot, tags: ListedResource['tags']): ListedResource {
  const ref = readRef(snapshot.Tags);
  const isWhole = tags !== null && ref !== null && ref.workspaceId === tags.workspaceId;
  return {
    kind: 'snapshot',
    id: ref === null ? (snapshot.SnapshotId ?? '') : refText(ref),
    tags: isWhole ? tags : null,
    createdAtMs: snapshot.StartTime?.getTime() ?? 0,
    bytes: snapshot.FullSnapshotSizeInBytes ?? null,
  };
}
