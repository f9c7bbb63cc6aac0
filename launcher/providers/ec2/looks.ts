import type { Filter, Instance, Snapshot, Tag, Volume } from '@aws-sdk/client-ec2';
import { Batcher, type BatcherOptions, type Page } from './batcher.ts';
import type { Calls } from './calls.ts';
import type { Ec2Limits } from './limits.ts';
import { TAGS, tagOf } from './tags.ts';
import type { Time } from './timers.ts';

interface LooksOptions {
  calls: Calls;
  time: Time;
  limits: Ec2Limits;
  deployment: string;
}

type PageOf<View> = (filters: Filter[], next: string | undefined) => Promise<Page<View>>;

/** Lists of what EC2 has, by filters. */
export function pagesOf(calls: Calls, caller: 'work' | 'reaper' = 'work') {
  const ask = (Filters: Filter[], next: string | undefined) => ({ Filters, ...(next && { NextToken: next }) });
  const instances: PageOf<Instance> = async (filters, next) => {
    const page = await calls.make('describeInstances', ask(filters, next), { caller });
    return { views: (page.Reservations ?? []).flatMap(({ Instances = [] }) => Instances), next: page.NextToken };
  };
  const volumes: PageOf<Volume> = async (filters, next) => {
    const page = await calls.make('describeVolumes', ask(filters, next), { caller });
    return { views: page.Volumes ?? [], next: page.NextToken };
  };
  const snapshots: PageOf<Snapshot> = async (filters, next) => {
    const page = await calls.make('describeSnapshots', { ...ask(filters, next), OwnerIds: ['self'] }, { caller });
    return { views: page.Snapshots ?? [], next: page.NextToken };
  };
  return { instances, volumes, snapshots };
}

/** What EC2 has under a name, as the last Describe saw it: looks of many go together. */
export interface Looks {
  instance: Batcher<Instance>;
  instanceOf: Batcher<Instance>;
  /** Instances by the id of the pool's record. */
  poolBox: Batcher<Instance>;
  volume: Batcher<Volume>;
  /** Volumes by the operation that made them. */
  volumeOf: Batcher<Volume>;
  /** Snapshots by their ref. */
  snapshot: Batcher<Snapshot>;
}

export function createLooks({ calls, time, limits, deployment }: LooksOptions): Looks {
  const pages = pagesOf(calls);
  const ours: Filter = { Name: `tag:${TAGS.deployment}`, Values: [deployment] };
  const byId = <View>(filter: string, keyOf: (view: View) => string | undefined, page: PageOf<View>) => batcher({ filter, keyOf, page });
  const byTag = <View extends { Tags?: Tag[] }>(tag: string, page: PageOf<View>) =>
    batcher({
      filter: `tag:${tag}`,
      keyOf: (view: View) => tagOf(view.Tags, tag),
      page: (filters, next) => page([...filters, ours], next),
    });
  const batcher = <View>(options: Omit<BatcherOptions<View>, 'time' | 'limits'>) => new Batcher<View>({ time, limits, ...options });
  return {
    instance: byId('instance-id', ({ InstanceId }) => InstanceId, pages.instances),
    instanceOf: byTag(TAGS.operation, pages.instances),
    poolBox: byTag(TAGS.pool, pages.instances),
    volume: byId('volume-id', ({ VolumeId }) => VolumeId, pages.volumes),
    volumeOf: byTag(TAGS.operation, pages.volumes),
    snapshot: byTag(TAGS.snapshot, pages.snapshots),
  };
}
