import type { QuiesceReport } from '../../launcher/contract/receipt.ts';
import type { BoxPrice, SnapshotRef } from '../../launcher/contract/records.ts';
import type { Clock } from '../../launcher/ports/clock.ts';
import {
  type BoxOffers,
  type BoxRef,
  type BoxState,
  ComputeError,
  type ComputePort,
  type LaunchRequest,
  type LaunchResult,
  type LaunchUnderway,
  type ResourceList,
  type ResourceTags,
  type SnapshotRequest,
  type SnapshotStatus,
  type StoragePrices,
  type VolumeCopy,
} from '../../launcher/ports/compute.ts';
import { FakeDisks, type Files, keyOfRef } from './fake-disks.ts';
import { FaultQueue } from './faults.ts';

export interface FakeBox {
  id: string;
  tags: ResourceTags & { sessionId: string; generation: number };
  volumeId: string;
  state: 'running' | 'parked' | 'gone';
  quiet: QuiesceReport | null;
  createdAtMs: number;
}

/**
 * A provider whose disks hold bytes. It keeps the rules of the port, and writes down who breaks a promise: two boxes on one
 * volume (X), bytes dropped that nothing else has (W). It does what it was told to do wrong, and records every call.
 */
export class FakeCompute implements ComputePort {
  readonly name = 'fake';
  storagePrices: StoragePrices | null = null;
  readonly pool = null;
  /** Of boxes that are launched from now on. */
  price: BoxPrice | undefined;
  /** Size that disks are paid for, GiB. */
  volumeGiB: number | undefined;
  readonly offers: BoxOffers = { architectures: ['x86_64'], instanceTypes: false, awsRole: false };
  readonly disks = new FakeDisks();
  readonly faults = new FaultQueue();
  readonly boxes = new Map<string, FakeBox>();
  readonly calls: Array<{ op: string; input: unknown }> = [];
  /** Answers of `observe` while the provider cannot tell. */
  blind = false;
  /** Answers of `list` say that something is missing, and something is. */
  partial = false;
  /** Launches take two steps. */
  stepwise = false;
  /** Disks are copied with a snapshot, for those who are to begin with it. */
  copiesDisks = false;
  readonly #copies = new Map<string, VolumeCopy[]>();
  /** Machines of boxes that are parked are kept. */
  keepsMachines = true;
  /** So many launches find no machine beside their volume. */
  stranded = 0;
  /** Called when a box has gone, with what is left on its disk. */
  onGone: (box: FakeBox, left: Files) => void = () => {};
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** From now on a box is 4 cents an hour, and a disk of 73 GiB, of which a GiB is 8 cents a month, 0.8 cents. */
  putPrices(): void {
    this.price = { boxMicroUsdPerHour: 40_000, diskMicroUsdPerHour: 8_000, about: false };
    this.storagePrices = { diskMicroUsdPerGiBMonth: 80_000, snapshotMicroUsdPerGiBMonth: 50_000 };
    this.volumeGiB = 73;
  }

  get violations(): string[] {
    return this.disks.violations;
  }

  #do<T>(op: string, input: unknown, run: () => T): Promise<T> {
    this.calls.push({ op, input });
    return this.faults.around(op, run);
  }

  countOf(op: string): number {
    return this.calls.filter((call) => call.op === op).length;
  }

  /** The running box of a session, of whatever generation. */
  boxOf(sessionId: string): FakeBox | undefined {
    return [...this.boxes.values()].find((box) => box.tags.sessionId === sessionId && box.state === 'running');
  }

  running(): FakeBox[] {
    return [...this.boxes.values()].filter((box) => box.state === 'running');
  }

  /** A user writes a file; it is in the cache of the box until something flushes it. */
  write(boxId: string, path: string, text: string): void {
    const box = this.boxes.get(boxId);
    if (box?.state !== 'running' || box.quiet !== null) throw new Error(`box ${boxId} takes no writes`);
    const volume = this.disks.volume(box.volumeId);
    volume.cache = { ...volume.cache, [path]: text };
  }

  /** The box dies with no notice: what was not flushed is lost. */
  lose(boxId: string): void {
    const box = this.boxes.get(boxId);
    if (box?.state !== 'running') return;
    box.state = 'gone';
    const volume = this.disks.volumes.get(box.volumeId);
    if (volume === undefined) return;
    volume.cache = {};
    this.onGone(box, volume.disk);
  }

  launch(request: LaunchRequest): Promise<LaunchResult | LaunchUnderway> {
    return this.#do('launch', request, () => {
      const id = `box-${request.tags.operationId}`;
      const known = this.boxes.get(id) ?? [...this.boxes.values()].find(({ tags }) => tags.operationId === request.tags.operationId);
      if (known) return { boxId: known.id, volumeId: known.volumeId, description: 'fake box' };
      const { operationId } = request.tags;
      const providerState = { launchedBy: operationId };
      if (this.stepwise && (request.providerState as typeof providerState | null)?.launchedBy !== operationId)
        return { underway: true, providerState, retryAfterMs: 500, notes: ['looking for a machine'] };
      const woken = this.#wake(request);
      if (woken) return { boxId: woken.id, volumeId: woken.volumeId, description: 'fake box', providerState };
      const volumeId = this.#volumeFor(request);
      this.boxes.set(id, { id, tags: request.tags, volumeId, state: 'running', quiet: null, createdAtMs: this.#clock.now() });
      const money = { ...(this.price && { price: this.price }), ...(this.volumeGiB !== undefined && { volumeGiB: this.volumeGiB }) };
      return { boxId: id, volumeId, description: 'fake box', providerState, ...money };
    });
  }

  /** The box that was parked, under the tags of this launch. One that cannot go on is let go. */
  #wake({ parked, source, tags }: LaunchRequest): FakeBox | null {
    const box = this.boxes.get(parked?.boxId ?? '');
    if (box?.state !== 'parked' || source.kind !== 'volume' || source.volumeId !== box.volumeId) return null;
    if (box.tags.sessionId !== tags.sessionId || box.tags.generation > tags.generation) return null;
    if (this.stranded > 0) {
      box.state = 'gone';
      return null;
    }
    Object.assign(box, { tags, state: 'running', quiet: null });
    return box;
  }

  #volumeFor({ source, tags }: LaunchRequest): string {
    if (source.kind === 'blank') return this.disks.makeVolume(tags, {}, this.#clock.now()).id;
    if (source.kind === 'snapshot') return this.disks.makeVolume(tags, this.disks.restore(source.snapshot), this.#clock.now()).id;
    const { id } = this.disks.volume(source.volumeId);
    if (this.stranded > 0) {
      if (source.saved === null) throw new ComputeError('stranded', `there is no machine beside ${id}`);
      this.stranded -= 1;
      return this.disks.makeVolume(tags, this.disks.restore(source.saved), this.#clock.now()).id;
    }
    if (this.running().some((box) => box.volumeId === id)) throw new ComputeError('busy', `${id} is in use`);
    return id;
  }

  observe(box: BoxRef): Promise<BoxState> {
    return this.#do('observe', box, () => {
      const found = this.boxes.get(box.boxId);
      if (this.blind) return 'unknown';
      return found?.tags.generation === box.generation ? found.state : 'gone';
    });
  }

  quiesce(box: BoxRef, operationId: string): Promise<QuiesceReport> {
    return this.#do('quiesce', { box, operationId }, () => {
      const found = this.boxes.get(box.boxId);
      if (found?.state !== 'running') throw new ComputeError('unreachable', 'the box does not answer');
      this.disks.flush(found.volumeId);
      const files = this.disks.content(found.volumeId);
      found.quiet ??= {
        stoppedProcesses: ['sh'],
        killedProcesses: [],
        repositories: [],
        files: Object.keys(files).length,
        bytes: 0,
        canary: null,
        truncated: false,
        tookMs: 5,
      };
      return found.quiet;
    });
  }

  /** The launcher told it to work again. */
  reopen(boxId: string): void {
    const box = this.boxes.get(boxId);
    if (box) box.quiet = null;
  }

  snapshot(request: SnapshotRequest): Promise<SnapshotStatus> {
    return this.#do('snapshot', request, () => {
      const known = this.disks.snapshots.get(keyOfRef(request.ref));
      if (known) {
        if (known.tags.operationId !== request.tags.operationId) throw new ComputeError('fatal', 'made by another operation');
        return { ...this.disks.status(known), ...this.#copiesWith(request) };
      }
      const volume = this.disks.volume(request.volumeId);
      this.#judgeWriters(request);
      if (request.liveBox !== null) {
        if (this.boxes.get(request.liveBox.boxId)?.state !== 'running') throw new ComputeError('unreachable', 'it cannot be frozen');
        this.disks.flush(volume.id);
      }
      const copies = this.copiesDisks && request.liveBox !== null ? (request.copies ?? []) : [];
      const made = copies.map((tags) => ({
        workspaceId: tags.workspaceId,
        workspace: tags.workspace,
        volumeId: this.disks.makeVolume(tags, volume.disk, this.#clock.now()).id,
      }));
      this.#copies.set(keyOfRef(request.ref), made);
      const status = this.disks.status(this.disks.take(request.ref, request.tags, volume.disk, this.#clock.now()));
      return { ...status, ...this.#copiesWith(request) };
    });
  }

  #copiesWith({ ref, copies: asked }: SnapshotRequest): Pick<SnapshotStatus, 'copies' | 'noCopies'> {
    const copies = this.#copies.get(keyOfRef(ref)) ?? [];
    if (asked === undefined) return {};
    return copies.length > 0 ? { copies } : { noCopies: 'disks are not copied here' };
  }

  /** A disk that somebody writes to meanwhile gives a snapshot of no moment at all. */
  #judgeWriters(request: SnapshotRequest): void {
    const writer = this.running().find((box) => box.volumeId === request.volumeId && box.quiet === null);
    if (writer && request.liveBox?.boxId !== writer.id)
      this.violations.push(`X: snapshot ${keyOfRef(request.ref)} of ${request.volumeId} while ${writer.id} writes to it`);
  }

  observeSnapshot(ref: SnapshotRef): Promise<SnapshotStatus> {
    return this.#do('observeSnapshot', ref, () => this.disks.look(ref));
  }

  park(box: BoxRef): Promise<void> {
    return this.#do('park', box, () => {
      const found = this.boxes.get(box.boxId);
      if (found?.state !== 'running' || found.tags.generation !== box.generation) return;
      this.lose(box.boxId);
      if (this.keepsMachines) found.state = 'parked';
    });
  }

  end(box: BoxRef): Promise<void> {
    return this.#do('end', box, () => {
      const found = this.boxes.get(box.boxId);
      if (found === undefined || found.tags.generation !== box.generation) return;
      if (found.state === 'parked') found.state = 'gone';
      else this.lose(box.boxId);
    });
  }

  dropVolume(volumeId: string): Promise<void> {
    return this.#do('dropVolume', volumeId, () => {
      if (this.running().some((box) => box.volumeId === volumeId)) throw new ComputeError('busy', `a box uses ${volumeId}`);
      this.disks.dropVolume(volumeId);
    });
  }

  dropSnapshot(ref: SnapshotRef): Promise<void> {
    return this.#do('dropSnapshot', ref, () => void this.disks.snapshots.delete(keyOfRef(ref)));
  }

  list(of?: { sessionId: string }): Promise<ResourceList> {
    return this.#do('list', of ?? null, () => {
      const alive = [...this.boxes.values()].filter(({ state }) => state !== 'gone');
      const boxes = alive.map(({ id, tags, createdAtMs, volumeId, state }) => ({
        kind: 'box' as const,
        id,
        tags,
        createdAtMs,
        bytes: null,
        volumeId,
        parked: state === 'parked',
      }));
      const volumes = [...this.disks.volumes.values()].map(({ id, tags, createdAtMs }) => ({
        kind: 'volume' as const,
        id,
        tags,
        createdAtMs,
        bytes: null,
      }));
      const snapshots = [...this.disks.snapshots.values()].map(({ ref, tags, createdAtMs, state }) => ({
        kind: 'snapshot' as const,
        id: keyOfRef(ref),
        tags,
        createdAtMs,
        bytes: null,
        state,
      }));
      const all = [...boxes, ...volumes, ...snapshots];
      const items = all.filter(({ tags }) => of === undefined || tags.sessionId === of.sessionId);
      return this.partial ? { items: items.slice(1), complete: false } : { items, complete: true };
    });
  }
}
