import type { Filter, Instance, Snapshot, Tag, Volume } from '@aws-sdk/client-ec2';
import { HOURS_PER_MONTH, MACHINE_EXTRAS_MICRO_USD_PER_HOUR, PRICES, ROOT_GIB, volumeMicroUsdPerHour } from '../../contract/prices.ts';
import type { ListedResource, ResourceList } from '../../ports/compute.ts';
import { everyPage, type Page } from './batcher.ts';
import type { Calls } from './calls.ts';
import { classOf } from './errors.ts';
import { workspaceOf } from './fleet.ts';
import type { Ec2Limits } from './limits.ts';
import { pagesOf } from './looks.ts';
import type { Prices } from './prices.ts';
import { readPoolId, readRef, readSize, readTags, readWish, refText, TAGS } from './tags.ts';

interface ListOptions {
  calls: Calls;
  limits: Ec2Limits;
  deployment: string;
  prices: Prices;
}

const GIB = 1024 ** 3;
const ALIVE: Filter = { Name: 'instance-state-name', Values: ['pending', 'running', 'stopping', 'stopped'] };

/** Everything with the tag of this deployment. Spot requests are not among it: an instant fleet leaves none without its instance. */
export async function listAll({ calls, limits, deployment, prices }: ListOptions, of?: { sessionId: string }): Promise<ResourceList> {
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
    all(pages.instances, [...filters, ALIVE], (instance) =>
      boxOf(instance, tagsOf(instance.Tags), readPoolId(instance.Tags, deployment), prices),
    ),
    all(pages.volumes, filters, (volume) => volumeOf(volume, tagsOf(volume.Tags))),
    all(pages.snapshots, filters, (snapshot) => snapshotOf(snapshot, tagsOf(snapshot.Tags))),
  ]);
  return { items: lists.flatMap(({ items }) => items), complete: lists.every(({ complete }) => complete) };
}

function boxOf(instance: Instance, tags: ListedResource['tags'], poolId: string | null, prices: Prices): ListedResource {
  const { InstanceId: id = '', LaunchTime: at, InstanceType: type = '', InstanceLifecycle: lifecycle, Placement, State } = instance;
  const { microUsd } = prices.perHour(type, Placement?.AvailabilityZone ?? '', lifecycle === 'spot' ? 'spot' : 'on-demand');
  const runs = State?.Name === 'pending' || State?.Name === 'running';
  // One that is stopped costs its disk.
  const perHour = runs ? microUsd + MACHINE_EXTRAS_MICRO_USD_PER_HOUR : volumeMicroUsdPerHour(ROOT_GIB);
  return {
    kind: 'box',
    id,
    tags,
    ...(poolId !== null && { poolId }),
    createdAtMs: at?.getTime() ?? 0,
    bytes: null,
    volumeId: workspaceOf(instance),
    size: readSize(instance.Tags),
    wish: readWish(instance.Tags),
    parked: !runs,
    microUsdPerMonth: perHour * HOURS_PER_MONTH,
  };
}

/** Root volumes have the tags of their launch too: they go with their instance, and are left out. */
function volumeOf(volume: Volume, tags: ListedResource['tags']): ListedResource | null {
  const { VolumeId: id = '', State: state, Attachments: attachments = [], CreateTime: at, Size: gib } = volume;
  if (state === 'deleting' || state === 'deleted' || attachments.some(({ DeleteOnTermination }) => DeleteOnTermination)) return null;
  const microUsdPerMonth = gib === undefined ? null : gib * PRICES.volumeMicroUsdPerGiBMonth;
  return { kind: 'volume', id, tags, createdAtMs: at?.getTime() ?? 0, bytes: gib === undefined ? null : gib * GIB, microUsdPerMonth };
}

function snapshotOf(snapshot: Snapshot, tags: ListedResource['tags']): ListedResource {
  const ref = readRef(snapshot.Tags);
  const { FullSnapshotSizeInBytes: bytes = null, State: state } = snapshot;
  const isWhole = tags !== null && ref !== null && ref.workspaceId === tags.workspaceId;
  return {
    kind: 'snapshot',
    id: ref === null ? (snapshot.SnapshotId ?? '') : refText(ref),
    tags: isWhole ? tags : null,
    createdAtMs: snapshot.StartTime?.getTime() ?? 0,
    bytes,
    state: state === 'completed' || state === 'error' ? state : 'pending',
    parent: readRef(snapshot.Tags, TAGS.parent),
    // Blocks that others have too are counted: it is the most that may be saved.
    microUsdPerMonth: bytes === null ? null : Math.round((bytes / GIB) * PRICES.snapshotMicroUsdPerGiBMonth),
  };
}
