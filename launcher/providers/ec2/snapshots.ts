import type { Snapshot } from '@aws-sdk/client-ec2';
import type { SnapshotRef } from '../../contract/records.ts';
import { ComputeError, type SnapshotRequest, type SnapshotStatus, type VolumeCopy } from '../../ports/compute.ts';
import type { Calls } from './calls.ts';
import type { BoxChannel } from './channel.ts';
import { type Copied, type Copies, copiesOf } from './copies.ts';
import { classOf } from './errors.ts';
import type { Ec2Limits } from './limits.ts';
import type { Looks } from './looks.ts';
import { Memory, Since } from './memory.ts';
import { refText, TAGS, tagList, tagOf } from './tags.ts';
import type { Time } from './timers.ts';
import { isVolumeId } from './volumes.ts';

interface SnapshotsOptions {
  calls: Calls;
  looks: Looks;
  channel: BoxChannel;
  time: Time;
  limits: Ec2Limits;
  deployment: string;
  copies: Copies;
}

const ABSENT: SnapshotStatus = { state: 'absent', bytes: null, newBytes: null, files: null };
const pending = (detail: string): SnapshotStatus => ({ state: 'pending', bytes: null, newBytes: null, files: null, detail });

/** EBS snapshots under the refs of their workspaces. AWS knows no token for them: the operation's tag is what a repeat goes by. */
export class Snapshots {
  readonly #options: SnapshotsOptions;
  /** What was made here lately: describes may not show it yet. */
  readonly #made: Memory<Snapshot>;
  readonly #dropped: Memory<true>;
  /** Requests without an answer: they may have made one. */
  readonly #unanswered: Since;
  readonly #unseen: Since;

  constructor(options: SnapshotsOptions) {
    this.#options = options;
    const { remembered } = options.limits;
    this.#made = new Memory(remembered);
    this.#dropped = new Memory(remembered);
    this.#unanswered = new Since(options.time, remembered);
    this.#unseen = new Since(options.time, remembered);
  }

  async take(request: SnapshotRequest): Promise<SnapshotStatus> {
    const { ref, tags, volumeId } = request;
    const known = await this.find(ref);
    if (known !== null) {
      if (tagOf(known.Tags, TAGS.operation) === tags.operationId) return this.#takenBefore(known, request);
      throw new ComputeError('fatal', `${refText(ref)} is the name of another snapshot`);
    }
    if (!isVolumeId(volumeId)) throw new ComputeError('missing', `there is no volume ${volumeId}`);
    this.#assertAnswered(tags.operationId);
    const { made, because } = await this.#whileStill(request);
    this.#made.set(refText(ref), made);
    return statusWith(made, copiesOf(made, request.copies), request, because);
  }

  /** Its copies are told of as long as they are there: a launcher that came before may have let them go. */
  async #takenBefore(snapshot: Snapshot, request: SnapshotRequest): Promise<SnapshotStatus> {
    const named = copiesOf(snapshot, request.copies);
    const seen = await Promise.all(named.map(({ volumeId }) => this.#options.looks.volume.look(volumeId)));
    const areThere = seen.every(([volume]) => volume?.State === 'creating' || volume?.State === 'available');
    return statusWith(snapshot, areThere ? named : [], request, 'they were not to be seen');
  }

  async status(ref: SnapshotRef): Promise<SnapshotStatus> {
    const found = await this.find(ref);
    if (found !== null) return statusOf(found);
    if (this.#dropped.get(refText(ref))) return ABSENT;
    const missingMs = this.#unseen.still(refText(ref));
    return missingMs < this.#options.limits.readLagMs ? pending('not to be seen yet') : ABSENT;
  }

  /** The snapshot of this name; of several (an answer was lost, and it was asked for again) always the same one. */
  async find(ref: SnapshotRef): Promise<Snapshot | null> {
    const name = refText(ref);
    if (this.#dropped.get(name)) return null;
    const [first, ...others] = [...(await this.#options.looks.snapshot.look(name))].sort(inOrder);
    if (first === undefined) return this.#madeLately(name);
    this.#unseen.over(name);
    this.#unseen.over(`made ${name}`);
    if (first.State === 'completed') await this.#collect(others);
    return first;
  }

  /** One that was made here and is not to be seen for longer than describes lag is not there: somebody has deleted it. */
  #madeLately(name: string): Snapshot | null {
    if (this.#unseen.still(`made ${name}`) >= this.#options.limits.readLagMs) this.#made.delete(name);
    return this.#made.get(name) ?? null;
  }

  async drop(ref: SnapshotRef): Promise<void> {
    const name = refText(ref);
    if (this.#dropped.get(name)) return;
    const seen = await this.#options.looks.snapshot.look(name);
    const mine = this.#made.get(name);
    const ids = new Set([...seen, ...(mine ? [mine] : [])].map(({ SnapshotId: id }) => id));
    for (const SnapshotId of ids) await this.#delete(SnapshotId);
    this.#made.delete(name);
    this.#options.looks.snapshot.forget(name);
    if (ids.size > 0) this.#dropped.set(name, true);
  }

  /** A request without an answer is believed to have made one until describes would show it. */
  #assertAnswered(operationId: string): void {
    const { limits } = this.#options;
    if (!this.#unanswered.isSo(operationId)) return;
    if (this.#unanswered.still(operationId) < limits.readLagMs)
      throw new ComputeError('busy', 'a snapshot was asked for, and whether it was made is not to be seen yet');
    this.#unanswered.over(operationId);
  }

  async #create({ ref, tags, volumeId, parent }: SnapshotRequest, copies: readonly string[]): Promise<Snapshot> {
    const { calls, deployment, looks } = this.#options;
    const list = tagList(tags, { deployment, ttl: 'keep', ref, parent, copies });
    const ask = {
      VolumeId: volumeId,
      Description: `devctl ${tags.workspace} ${ref.id}`,
      TagSpecifications: [{ ResourceType: 'snapshot' as const, Tags: list }],
    };
    try {
      const made = await calls.make('createSnapshot', ask, { repeat: 'once' });
      this.#unseen.over(volumeId);
      looks.snapshot.forget(refText(ref));
      // What was asked for is what it has.
      return { ...made, Tags: made.Tags ?? list };
    } catch (error) {
      const kind = classOf(error);
      if (kind === 'no_answer' || kind === 'passing') this.#unanswered.still(tags.operationId);
      if (kind === 'not_found' && this.#unseen.still(volumeId) < this.#options.limits.readLagMs)
        throw new ComputeError('busy', `${volumeId} is not to be seen yet`, { cause: error });
      throw error;
    }
  }

  /** With a live box: it is frozen meanwhile, and what was taken of a box that had gone on by itself is not kept. */
  async #whileStill(request: SnapshotRequest): Promise<{ made: Snapshot; because?: string | undefined }> {
    const { liveBox } = request;
    const { channel, limits, copies } = this.#options;
    if (liveBox === null) return { made: await this.#create(request, []) };
    await channel.freeze(liveBox, limits.freezeMs);
    let stood = false;
    let copied: Copied = { volumeIds: [] };
    let made: Snapshot;
    try {
      copied = await copies.make(request);
      made = await this.#create(request, copied.volumeIds);
    } catch (error) {
      const kind = classOf(error);
      // Without an answer it may have been made after all, and then they belong to it.
      if (kind !== 'no_answer' && kind !== 'passing') void copies.drop(copied.volumeIds);
      throw error;
    } finally {
      stood = await channel.thaw(liveBox).catch(() => false);
    }
    if (stood) return { made, because: copied.because };
    await this.#delete(made.SnapshotId);
    await copies.drop(copied.volumeIds);
    throw new ComputeError('unreachable', 'the box did not stand still for long enough: the snapshot was not kept');
  }

  /** One that was asked for twice is kept once. */
  async #collect(others: Snapshot[]): Promise<void> {
    for (const { SnapshotId: id } of others) await this.#delete(id).catch(() => {});
  }

  async #delete(SnapshotId: string | undefined): Promise<void> {
    if (SnapshotId === undefined) return;
    try {
      await this.#options.calls.make('deleteSnapshot', { SnapshotId });
    } catch (error) {
      if (classOf(error) !== 'not_found') throw error;
    }
  }
}

function statusOf(snapshot: Snapshot): SnapshotStatus {
  const { State: state, Progress: progress, StateMessage: message, FullSnapshotSizeInBytes: bytes = null } = snapshot;
  if (state === 'completed') return { state, bytes, newBytes: null, files: null };
  if (state === 'error') return { state, bytes: null, newBytes: null, files: null, detail: message ?? 'AWS could not make it' };
  return pending(progress ? `${progress} uploaded` : 'on its way');
}

function statusWith(
  snapshot: Snapshot,
  copies: VolumeCopy[],
  { copies: asked }: SnapshotRequest,
  noCopies = 'none was made',
): SnapshotStatus {
  const status = statusOf(snapshot);
  if (asked === undefined) return status;
  return copies.length > 0 ? { ...status, copies } : { ...status, noCopies };
}

/** Failed ones last, then the oldest first. */
function inOrder(a: Snapshot, b: Snapshot): number {
  const failed = Number(a.State === 'error') - Number(b.State === 'error');
  const age = (a.StartTime?.getTime() ?? 0) - (b.StartTime?.getTime() ?? 0);
  return failed || age || ((a.SnapshotId ?? '') < (b.SnapshotId ?? '') ? -1 : 1);
}
