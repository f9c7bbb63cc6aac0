import type { Instance, Snapshot } from '@aws-sdk/client-ec2';
import { MACHINE_EXTRAS_MICRO_USD_PER_HOUR, volumeMicroUsdPerHour } from '../../contract/prices.ts';
import { ComputeError, type LaunchRequest, type LaunchResult, type LaunchUnderway } from '../../ports/compute.ts';
import { type Boxes, isOver } from './boxes.ts';
import type { Calls } from './calls.ts';
import type { Choices } from './choice.ts';
import { classOf, classOfCode, hintOf, KEY_HINT } from './errors.ts';
import { fleetRequest, type PoolError, readFleet, workspaceOf } from './fleet.ts';
import type { AttachState, CreateState, Disk, JoinState, LaunchState, TakeState, Tried, VolumeState, WakeState } from './launch-state.ts';
import { readState } from './launch-state.ts';
import type { Ec2Limits } from './limits.ts';
import { type Loads, toldOfLoading } from './loads.ts';
import type { Looks } from './looks.ts';
import { Memory, Since } from './memory.ts';
import type { Pools } from './pools.ts';
import type { Prices } from './prices.ts';
import type { Snapshots } from './snapshots.ts';
import { tagList } from './tags.ts';
import type { Takes } from './take.ts';
import type { Time } from './timers.ts';
import { holderOf, type Volumes } from './volumes.ts';
import type { Wakes } from './wake.ts';

export interface LaunchParts {
  calls: Calls;
  looks: Looks;
  pools: Pools;
  prices: Prices;
  boxes: Boxes;
  volumes: Volumes;
  snapshots: Snapshots;
  time: Time;
  limits: Ec2Limits;
  deployment: string;
  ttl: string;
  volumeGiB: number;
  choices: Choices;
  wakes: Wakes;
  loads: Loads;
  takes: Takes;
}

type Answer = LaunchResult | LaunchUnderway;
/** What a launch has behind it. */
type Past = Pick<CreateState, 'fleet' | 'rung' | 'tried'>;

/**
 * A launch in steps, each with its place saved before the next: a plan that calls nothing, the one call that makes a machine,
 * and the look that finds it with its volume, which a volume of before is first attached for.
 */
export class Launches {
  readonly #parts: LaunchParts;
  /** Operations for which a machine was asked here. */
  readonly #begun: Memory<true>;
  readonly #unseen: Since;
  /** Volumes that were seen free, by launch, and machines that were seen to run with theirs free. */
  readonly #free: Memory<true>;
  readonly #seenFree: Memory<true>;

  constructor(parts: LaunchParts) {
    this.#parts = parts;
    this.#begun = new Memory(parts.limits.remembered);
    this.#unseen = new Since(parts.time, parts.limits.remembered);
    this.#free = new Memory(parts.limits.remembered);
    this.#seenFree = new Memory(parts.limits.remembered);
  }

  async step(request: LaunchRequest): Promise<Answer> {
    const { operationId } = request.tags;
    const state = readState(request.providerState, operationId);
    if (state?.step === 'wake') return this.#wake(request, state);
    if (state?.step === 'take') return this.#take(request, state);
    if (state?.step === 'create') return this.#create(request, state);
    if (state?.step === 'volume') return this.#volume(request, state);
    if (state?.step === 'join') return this.#join(request, state);
    if (state?.step === 'attach') return this.#attach(request, state);
    const past = { fleet: 0, rung: 0, tried: { sinceMs: this.#parts.time.now(), pools: 0, codes: {} } };
    const made = this.#begun.get(operationId) ? await this.#adopt(request, past, { kind: 'blank', gib: 0 }) : null;
    return made ?? this.#toWake(request, past) ?? (await this.#toTake(request, past)) ?? this.#plan(request, past);
  }

  /** The machine that was parked comes before all others. */
  #toWake(request: LaunchRequest, past: Past): Answer | null {
    const { parked, source } = request;
    if (parked === null || source.kind !== 'volume') return null;
    const disk = { kind: 'attach' as const, volumeId: source.volumeId };
    return wait({ ...placeOf(request, disk, past), step: 'wake', boxId: parked.boxId }, 0, []);
  }

  async #wake(request: LaunchRequest, state: WakeState): Promise<Answer> {
    const { wakes, limits, time, prices } = this.#parts;
    void prices.refresh();
    const woken = await wakes.start(request, state.boxId);
    if (woken.kind === 'wait') return wait(state, limits.lookEveryMs, []);
    if (woken.kind === 'left') return this.#plan(request, state, [`the parked machine ${state.boxId} ${woken.because}`]);
    this.#begun.set(state.operationId, true);
    const joining: JoinState = { ...placeOf(request, state.disk, state), step: 'join', boxId: state.boxId, launchedAtMs: time.now() };
    return wait(joining, 0, [`the parked machine ${state.boxId} is started`]);
  }

  /** Then the box of the pool that it has claimed. */
  async #toTake(request: LaunchRequest, past: Past): Promise<Answer | null> {
    const { pooled } = request;
    if (pooled === null) return null;
    const source = await this.#sourceOf(request);
    if (source === null) return wait(null, this.#parts.limits.lookEveryMs, []);
    const { id: poolId, boxId } = pooled;
    return wait({ ...placeOf(request, source.disk, past), step: 'take', poolId, boxId, tries: 0 }, 0, []);
  }

  async #take(request: LaunchRequest, state: TakeState): Promise<Answer> {
    const { takes, limits, time, prices } = this.#parts;
    void prices.refresh();
    const taken = await takes.start(request, state);
    if (taken.kind === 'wait') return wait(state, limits.lookEveryMs, []);
    if (taken.kind === 'again') return wait({ ...state, tries: state.tries + 1 }, limits.lookEveryMs, []);
    if (taken.kind === 'left') return this.#plan(request, state, [`the machine ${state.boxId} of the pool ${taken.because}`]);
    const { disk } = taken;
    const joining: JoinState = { ...placeOf(request, disk, state), step: 'join', boxId: state.boxId, launchedAtMs: time.now() };
    const loading = disk.loading ? [toldOfLoading(disk.loading)] : [];
    return wait(joining, 0, [`the machine ${state.boxId} of the pool is started`, ...loading]);
  }

  /** Says where a machine is asked for next. Nothing is changed. */
  async #plan(request: LaunchRequest, past: Past, notes: string[] = [], restMs = 0): Promise<Answer> {
    const { pools, prices, limits, time, choices } = this.#parts;
    void prices.refresh();
    const choice = await choices.of(request);
    void prices.refresh(request.instanceTypes);
    const source = await this.#sourceOf(request);
    if (source === null) return wait(request.providerState ?? null, limits.lookEveryMs, notes);
    const { disk, zones } = source;
    const rung = past.fleet >= limits.fleets ? null : await pools.rung(choice, request.policy, zones, past.rung);
    if (rung === null) return this.#exhausted(request, disk, past, notes);
    const state: CreateState = {
      ...placeOf(request, disk, past),
      step: 'create',
      fleet: past.fleet + 1,
      rung: rung.index,
      market: rung.market,
      pools: rung.pools,
      template: choice.template,
      plannedAtMs: time.now(),
    };
    return wait(state, restMs, notes);
  }

  /** No pool is left: with a snapshot that has all of the volume, it begins anew from that, anywhere. */
  async #exhausted(request: LaunchRequest, disk: Disk, past: Past, notes: string[]): Promise<Answer> {
    const { source } = request;
    const what = toldOf(past.tried, this.#parts.time.now());
    if (disk.kind !== 'attach' || source.kind !== 'volume')
      throw new ComputeError('capacity', what, { hint: hintOf(...Object.keys(past.tried.codes)) });
    if (source.saved === null)
      throw new ComputeError('stranded', `beside ${disk.volumeId}: ${what}`, { hint: hintOf(...Object.keys(past.tried.codes)) });
    const anew = { ...request, source: { kind: 'snapshot' as const, snapshot: source.saved } };
    const tried = { ...past.tried, pools: 0, codes: {} };
    // Another place is another ladder, with its own bound.
    const elsewhere = { fleet: past.fleet, rung: 0, tried };
    return this.#plan(anew, elsewhere, [...notes, `no machine beside ${disk.volumeId}: its snapshot goes elsewhere`]);
  }

  /** The disk, and where its machine may be; null when that is not to be seen yet. @throws busy, missing */
  async #sourceOf({ source, tags }: LaunchRequest): Promise<{ disk: Disk; zones: string[] } | null> {
    const { pools, volumes, snapshots, volumeGiB, limits, boxes, loads } = this.#parts;
    if (source.kind === 'blank') return { disk: { kind: 'blank', gib: volumeGiB }, zones: pools.zones };
    if (source.kind === 'volume') {
      const volume = await volumes.see(source.volumeId);
      if (volume === null) return null;
      const holder = holderOf(volume);
      const isHeld = holder !== null && holder.State !== 'detaching' && !(await boxes.isOver(holder.InstanceId ?? ''));
      if (isHeld) throw new ComputeError('busy', `${source.volumeId} is in use by ${holder.InstanceId}`);
      return { disk: { kind: 'attach', volumeId: source.volumeId }, zones: [volume.AvailabilityZone ?? ''] };
    }
    const name = `${source.snapshot.workspaceId}/${source.snapshot.id}`;
    const found = await snapshots.find(source.snapshot);
    if (found?.State === 'completed') {
      const gib = Math.max(volumeGiB, found.VolumeSize ?? 0);
      const loading = loads.of(dataGiBOf(found));
      return { disk: { kind: 'snapshot', snapshotId: found.SnapshotId ?? '', gib, ...(loading && { loading }) }, zones: pools.zones };
    }
    const mayCome = found === null ? this.#unseen.still(`${name} for ${tags.operationId}`) < limits.readLagMs : found.State === 'pending';
    if (mayCome) return null;
    throw new ComputeError('missing', `there is no whole snapshot ${name}`);
  }

  /** The call that makes the machine. With the same state it is the same call, and AWS makes one machine. */
  async #create(request: LaunchRequest, state: CreateState): Promise<Answer> {
    const { calls, deployment, ttl, pools, limits, time } = this.#parts;
    // Many begin at once: whoever's turn is far away makes room for others until then.
    const restMs = calls.restMs('createFleet', `${state.operationId} ${state.fleet}`);
    // Nobody acts on it before it comes back: what it made need not be looked for then.
    if (restMs > 0) return wait({ ...state, plannedAtMs: time.now() + restMs }, restMs, []);
    const isPrompt = Math.abs(time.now() - state.plannedAtMs) < limits.promptMs;
    const name = `${state.operationId} ${state.fleet}`;
    if (this.#begun.get(name) || !isPrompt) {
      const made = await this.#adopt(request, state, state.disk);
      if (made !== null) return made;
    }
    this.#begun.set(state.operationId, true);
    this.#begun.set(name, true);
    const settings = { deployment, overrides: limits.overrides, subnetsOf: (az: string) => pools.subnetsOf(az) };
    const tags = {
      instance: tagList(request.tags, { deployment, ttl, wish: request }),
      volume: tagList(request.tags, { deployment, ttl: 'keep' }),
    };
    try {
      const result = await calls.make('createFleet', fleetRequest({ ...state, tags }, settings));
      const { boxId, errors } = readFleet(result, (subnetId) => pools.zoneOf(subnetId));
      for (const { code, type, az } of errors) if (classOfCode(code) === 'no_capacity') pools.noteEmpty(type, az, state.market);
      return boxId === null ? this.#next(request, state, errors) : this.#launched(request, state, boxId, errors);
    } catch (error) {
      const kind = classOf(error);
      if (kind === 'token') return this.#mismatched(request, state);
      if (kind !== 'no_capacity' && kind !== 'quota') throw error;
      const { name: code, message } = error as Error;
      return this.#next(request, state, [{ code, message, type: '', az: '' }]);
    }
  }

  #launched(request: LaunchRequest, state: CreateState, boxId: string, errors: PoolError[]): Answer {
    const { boxes, time, looks } = this.#parts;
    boxes.noteLaunched({ ...request.tags, boxId });
    looks.instance.forget(boxId);
    const joining: JoinState | VolumeState = {
      ...placeOf(request, state.disk, { ...state, tried: countErrors(state.tried, errors) }),
      step: stepAfter(state.disk),
      boxId,
      launchedAtMs: time.now(),
    };
    return wait(joining, 0, [...this.#notesOf(errors, state), `${state.market} machine ${boxId} is on its way`]);
  }

  /** No machine: what went wrong says where to ask next. */
  #next(asked: LaunchRequest, state: CreateState, errors: PoolError[]): Promise<Answer> {
    const request = placedBy(asked, state.disk);
    const tried = countErrors(state.tried, errors);
    const notes = this.#notesOf(errors, state);
    const kinds = new Set(errors.map(({ code }) => classOfCode(code)));
    const [first] = errors;
    if (kinds.has('storage_quota')) throw new ComputeError('disk_full', `${first?.code}: ${first?.message}`);
    if (kinds.has('quota')) return this.#plan(request, { ...state, tried, rung: nextMarket(state.rung) }, notes);
    if (['passing', 'throttled', 'timed', 'not_found', 'state'].some((kind) => kinds.has(kind as never)))
      return this.#plan(request, { ...state, tried }, notes, this.#parts.limits.lookEveryMs);
    if (kinds.has('no_capacity')) return this.#plan(request, { ...state, tried, rung: state.rung + 1 }, notes);
    const hint = hintOf(...errors.map(({ code }) => code));
    throw new ComputeError('fatal', first ? `${first.code}: ${first.message}` : 'AWS made no machine and said nothing of it', { hint });
  }

  /** The token was used with other parameters: what that made is taken, if it made something. */
  async #mismatched(request: LaunchRequest, state: CreateState): Promise<Answer> {
    const made = await this.#adopt(request, state, state.disk);
    if (made !== null) return made;
    const { limits } = this.#parts;
    if (this.#unseen.still(`${state.operationId} ${state.fleet}`) < limits.readLagMs) return wait(state, limits.lookEveryMs, []);
    return this.#plan(placedBy(request, state.disk), state, ['an earlier request of this launch had other parameters and made no machine']);
  }

  /** The machine that this operation has made already: one that runs, else the oldest. */
  async #adopt(request: LaunchRequest, past: Past, disk: Disk): Promise<Answer | null> {
    const { operationId } = request.tags;
    const made = [...(await this.#parts.looks.instanceOf.look(operationId))].sort(
      (a, b) => Number(isOver(a)) - Number(isOver(b)) || (a.LaunchTime?.getTime() ?? 0) - (b.LaunchTime?.getTime() ?? 0),
    );
    const boxId = made[0]?.InstanceId;
    if (boxId === undefined) return null;
    this.#parts.boxes.noteLaunched({ ...request.tags, boxId });
    const attached = disk.kind === 'blank' ? await this.#diskAgain(request, disk) : disk;
    if (attached === null) return wait(null, this.#parts.limits.lookEveryMs, []);
    const state: JoinState | VolumeState = {
      ...placeOf(request, attached, past),
      step: stepAfter(attached),
      boxId,
      launchedAtMs: this.#parts.time.now(),
    };
    return wait(state, 0, [`machine ${boxId} of this launch was there already`]);
  }

  /** The volume is made where the machine is. At a rate that AWS does not give now it is made without. */
  async #volume(request: LaunchRequest, state: VolumeState): Promise<Answer> {
    const { limits, loads, boxes } = this.#parts;
    const instance = await this.#seeOwn(state);
    if (instance === null || state.disk.kind !== 'snapshot') return wait(state, limits.lookEveryMs, []);
    if (this.#hasEnded(instance, state)) return this.#afterEnd(request, state, instance, workspaceOf(instance));
    const { loading, ...plain } = state.disk;
    // It was launched with its disk, by a launcher that pays for no rate.
    if (workspaceOf(instance) !== null) return wait({ ...state, step: 'join', disk: plain }, 0, []);
    try {
      const made = await loads.make(request, state, instance);
      if ('refused' in made) return wait({ ...state, disk: plain }, 0, [`its disk is read in as it is used: ${made.refused}`]);
      const disk: Disk = { kind: 'attach', volumeId: made.volumeId, ...(loading && { loading }) };
      return wait({ ...state, step: 'join', disk }, 0, loading ? [toldOfLoading(loading)] : []);
    } catch (error) {
      const kind = classOf(error);
      const name = `${state.disk.snapshotId} for ${state.boxId}`;
      if (kind === 'not_found' && this.#unseen.still(name) < limits.readLagMs) return wait(state, limits.lookEveryMs, []);
      if (kind === 'fatal' || kind === 'storage_quota' || kind === 'not_found') await boxes.terminate(state.boxId);
      throw error;
    }
  }

  /** The disk of a launch whose state was lost; null when that is not to be seen yet. */
  async #diskAgain(request: LaunchRequest, blank: Disk): Promise<Disk | null> {
    const { source } = request;
    if (source.kind === 'volume') return { kind: 'attach', volumeId: source.volumeId };
    return source.kind === 'snapshot' ? ((await this.#sourceOf(request))?.disk ?? null) : blank;
  }

  /** The machine and its volume, as soon as both are to be seen; a volume of before is then attached. */
  async #join(request: LaunchRequest, state: JoinState): Promise<Answer> {
    const { limits, time } = this.#parts;
    const instance = await this.#seeOwn(state);
    if (instance === null) return wait(state, nextLookMs(state.disk, limits), []);
    const volumeId = workspaceOf(instance);
    if (this.#hasEnded(instance, state)) return this.#afterEnd(request, state, instance, volumeId);
    if (state.disk.kind !== 'attach')
      return volumeId === null ? wait(state, limits.lookEveryMs, []) : this.#result(instance, volumeId, state.disk);
    if (volumeId !== null && volumeId !== state.disk.volumeId) return this.#result(instance, volumeId, state.disk);
    const attaching: AttachState = { ...state, step: 'attach', attachingSinceMs: time.now() };
    if (volumeId !== null) return wait(attaching, 0, []);
    // Not before: what a machine has already is not to be taken off it.
    const isFree = await this.#isFree(state.operationId, state.disk.volumeId);
    if (!isFree || instance.State?.Name !== 'running') return wait(state, nextLookMs(state.disk, limits), []);
    this.#seenFree.set(state.boxId, true);
    return wait(attaching, 0, []);
  }

  /** Once it was free nobody else takes it; if somebody does, the attach is refused. */
  async #isFree(operationId: string, volumeId: string): Promise<boolean> {
    const name = `${operationId} ${volumeId}`;
    const isFree = this.#free.get(name) ?? (await this.#parts.volumes.isFree(volumeId, SOON));
    if (isFree) this.#free.set(name, true);
    return isFree;
  }

  /** That the call is about to be made was saved: whether it was is seen on the volume. */
  async #attach(request: LaunchRequest, state: AttachState): Promise<Answer> {
    const { limits, volumes, time, boxes } = this.#parts;
    if (state.disk.kind !== 'attach') throw new ComputeError('fatal', 'nothing is to be attached');
    const { volumeId } = state.disk;
    // Both were just looked at for it.
    if (this.#seenFree.get(state.boxId)) {
      this.#seenFree.delete(state.boxId);
      await volumes.attach(volumeId, state.boxId);
      return wait(state, limits.lookSoonMs, []);
    }
    const instance = await this.#seeOwn(state);
    if (instance !== null && this.#hasEnded(instance, state)) return this.#afterEnd(request, state, instance, volumeId);
    const volume = await volumes.see(volumeId, SOON);
    const holder = volume && holderOf(volume);
    const isMine = holder?.InstanceId === state.boxId;
    if (instance !== null && isMine && holder.State === 'attached') return this.#result(instance, volumeId, state.disk);
    if (instance !== null && Math.abs(time.now() - state.attachingSinceMs) >= limits.attachMs) {
      await boxes.terminate(state.boxId);
      return this.#result(instance, volumeId, state.disk);
    }
    if (holder !== null && !isMine && holder.State !== 'detaching' && !(await boxes.isOver(holder.InstanceId ?? '')))
      throw new ComputeError('fatal', `${volumeId} was attached to ${holder.InstanceId} by somebody else`);
    if (volume !== null && holder === null && volume.State === 'available') await volumes.attach(volumeId, state.boxId);
    return wait(state, limits.lookSoonMs, []);
  }

  /** What describes show of one that was started again may be from before. */
  #hasEnded(instance: Instance, { launchedAtMs }: VolumeState | JoinState | AttachState): boolean {
    const { time, limits } = this.#parts;
    const isBefore = ['stopping', 'stopped'].includes(instance.State?.Name ?? '') && Math.abs(time.now() - launchedAtMs) < limits.readLagMs;
    return isOver(instance) && !isBefore;
  }

  /** @throws transient when it should long be to be seen: it is not asked for again */
  async #seeOwn(state: VolumeState | JoinState | AttachState): Promise<Instance | null> {
    const instance = await this.#parts.boxes.see(state.boxId, { soon: state.disk.kind === 'attach' });
    if (instance === null && Math.abs(this.#parts.time.now() - state.launchedAtMs) > this.#parts.limits.invisibleMs)
      throw new ComputeError('transient', `${state.boxId} was launched and is not to be seen`);
    return instance;
  }

  /** It ended on its way. A volume that it left is the session's; without one another machine is asked for. */
  async #afterEnd(
    request: LaunchRequest,
    state: VolumeState | JoinState | AttachState,
    instance: Instance,
    left: string | null,
  ): Promise<Answer> {
    const { limits, looks } = this.#parts;
    const volumeId = left ?? (state.disk.kind === 'attach' ? state.disk.volumeId : await this.#volumeLeft(state.operationId, looks));
    if (volumeId !== null) return this.#result(instance, volumeId, state.disk);
    const name = `volume of ${state.boxId}`;
    if (this.#unseen.still(name) < limits.readLagMs) return wait(state, limits.lookEveryMs, []);
    const { Code: code = 'no reason given', Message: message = '' } = instance.StateReason ?? {};
    if (code.startsWith('Client.'))
      throw new ComputeError('fatal', `${state.boxId} ended at once: ${message || code} (is the KMS key of its disk usable?)`, {
        hint: KEY_HINT,
      });
    return this.#plan(placedBy(request, state.disk), state, [`${state.boxId} ended before it ran: ${message || code}`]);
  }

  async #volumeLeft(operationId: string, looks: Looks): Promise<string | null> {
    const made = await looks.volumeOf.look(operationId);
    const kept = made.find(
      ({ State: state, Attachments: attachments = [] }) =>
        state !== 'deleting' && state !== 'deleted' && !attachments.some(({ DeleteOnTermination }) => DeleteOnTermination),
    );
    return kept?.VolumeId ?? null;
  }

  #result(instance: Instance, volumeId: string, disk: Disk): LaunchResult {
    const { InstanceId: boxId = '', InstanceType: type = '', InstanceLifecycle: lifecycle, Placement } = instance;
    const az = Placement?.AvailabilityZone ?? '';
    const market = lifecycle === 'spot' ? 'spot' : 'on-demand';
    const { microUsd, about } = this.#parts.prices.perHour(type, az, market);
    const volumeGiB = (disk.kind === 'attach' ? this.#parts.volumes.gibOf(volumeId) : disk.gib) || this.#parts.volumeGiB;
    const price = {
      boxMicroUsdPerHour: microUsd + MACHINE_EXTRAS_MICRO_USD_PER_HOUR,
      diskMicroUsdPerHour: volumeMicroUsdPerHour(volumeGiB),
      about,
    };
    const shown = `${about ? 'about ' : ''}$${(microUsd / 1e6).toFixed(3)}/h`;
    const loading = disk.kind === 'attach' && disk.loading ? ` · ${toldOfLoading(disk.loading)}` : '';
    return { boxId, volumeId, volumeGiB, price, description: `${type} ${market} · ${az} · ${shown}${loading}` };
  }

  #notesOf(errors: PoolError[], { market }: CreateState): string[] {
    const { notes: most } = this.#parts.limits;
    const lines = errors.map(({ code, type, az }) => `${[type, az, market].filter((part) => part !== '').join(' ')}: ${code}`);
    return lines.length <= most ? lines : [...lines.slice(0, most), `and ${lines.length - most} more pools`];
  }
}

const wait = (providerState: LaunchState | unknown, retryAfterMs: number, notes: string[]): LaunchUnderway => ({
  underway: true,
  providerState,
  retryAfterMs,
  notes,
});

/** A launch that has gone elsewhere with the snapshot does not come back to where its volume is. */
const placedBy = (request: LaunchRequest, disk: Disk): LaunchRequest => {
  const { source } = request;
  if (source.kind !== 'volume' || source.saved === null || disk.kind !== 'snapshot') return request;
  return { ...request, source: { kind: 'snapshot', snapshot: source.saved } };
};

const placeOf = ({ tags }: LaunchRequest, disk: Disk, { fleet, rung, tried }: Past) => ({
  v: 1 as const,
  operationId: tags.operationId,
  fleet,
  rung,
  tried,
  disk,
});

/** A volume that is there waits for its machine alone: each look that comes late is time lost. */
const SOON = { soon: true };
/** Half of the time: who asks before the next look goes with it. */
const nextLookMs = (disk: Disk, { lookSoonMs, lookEveryMs }: Ec2Limits): number => (disk.kind === 'attach' ? lookSoonMs / 2 : lookEveryMs);

/** A disk that the launch itself did not make is made next. */
const stepAfter = (disk: Disk): 'join' | 'volume' => (disk.kind === 'snapshot' && disk.loading ? 'volume' : 'join');

/** All data of a snapshot; its volume's size where that is not known. */
const dataGiBOf = ({ FullSnapshotSizeInBytes: bytes, VolumeSize: gib = 0 }: Snapshot): number =>
  bytes === undefined ? gib : Math.ceil(bytes / 1024 ** 3);

/** Rungs come in twos for each market: the class, and larger machines. */
const nextMarket = (rung: number): number => (Math.floor(rung / 2) + 1) * 2;

function countErrors(tried: Tried, errors: PoolError[]): Tried {
  const codes = { ...tried.codes };
  for (const { code } of errors) codes[code] = (codes[code] ?? 0) + 1;
  return { ...tried, pools: tried.pools + errors.length, codes };
}

function toldOf({ sinceMs, pools, codes }: Tried, nowMs: number): string {
  if (pools === 0) return 'no machine: every pool had none a moment ago';
  const reasons = Object.entries(codes).map(([code, count]) => `${code} × ${count}`);
  return `no machine in ${pools} pools within ${nowMs - sinceMs} ms: ${reasons.join(', ')}`;
}
