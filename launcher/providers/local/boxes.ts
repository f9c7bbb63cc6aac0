import { existsSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { SIZES } from '../../contract/fields.ts';
import type { Clock } from '../../ports/clock.ts';
import { type BoxRef, ComputeError, type LaunchRequest, type LaunchResult, type ListedResource } from '../../ports/compute.ts';
import type { Telemetry } from '../../ports/telemetry.ts';
import { type BoxHandler, type BoxListener, openBoxListener } from './box-listener.ts';
import { type BoxSpecOptions, prepareBox } from './box-spec.ts';
import type { Confinement } from './confinement.ts';
import type { Disks } from './disks.ts';
import { type BoxPaths, boxIdOf, type Layout, readJson, writeWhole } from './layout.ts';
import { type BoxMeta, boxMetaSchema } from './resources.ts';
import { agentSocketOf, awaitStarted, isBoxAlive, killBox, startBox } from './start-box.ts';

/** How often boxes are looked at that were started by an earlier launcher: nothing tells when one of those ends. */
const WATCH_MS = 1_000;
/** Logs of boxes that are gone are kept for this long. */
const GONE_KEEP_MS = 7 * 24 * 3_600_000;

export interface BoxDeps {
  layout: Layout;
  disks: Disks;
  clock: Clock;
  telemetry: Telemetry;
  confinement: Confinement;
  spec: Omit<BoxSpecOptions, 'processLimit'>;
  boxHandler: BoxHandler;
  onBoxGone: (box: BoxRef, owner: string) => void;
}

/** The boxes of this machine: one folder each, which says everything that is needed to find its processes again. */
export class Boxes {
  readonly #deps: BoxDeps;
  readonly #listeners = new Map<string, BoxListener>();
  /** Boxes that were seen gone: a process does not come back. */
  readonly #gone = new Set<string>();
  /** Cgroups of boxes that are gone, which the kernel does not let go yet. */
  #leaving: string[] = [];
  /** Volumes of boxes that are being started now. */
  readonly #launching = new Set<string>();
  #watch: NodeJS.Timeout | undefined;

  constructor(deps: BoxDeps) {
    this.#deps = deps;
  }

  /** @throws ComputeError busy, missing, disk_full, transient, fatal */
  async launch(request: LaunchRequest): Promise<LaunchResult> {
    const { layout, disks } = this.#deps;
    const boxId = boxIdOf(request.tags.operationId);
    const paths = layout.box(boxId);
    const known = isBoxAlive(paths) ? this.#meta(boxId) : this.#metaOrNull(boxId);
    // A power cut may leave files that say nothing: no box of theirs lives.
    if (!known) rmSync(paths.dir, { recursive: true, force: true });
    // Started before: this very operation has its box, alive or gone.
    if (known && existsSync(paths.started)) return this.#adopt(boxId, known);
    const volumeId = await disks.provide(request.source, request.tags);
    if (this.inUse(volumeId) || disks.isCopying(volumeId)) throw new ComputeError('busy', `${volumeId} is still in use`);
    this.#launching.add(volumeId);
    try {
      const meta = this.#record(boxId, volumeId, request);
      await this.#start(boxId, meta, request);
      return await this.#adopt(boxId, meta);
    } finally {
      this.#launching.delete(volumeId);
    }
  }

  #record(boxId: string, volumeId: string, request: LaunchRequest): BoxMeta {
    const { layout, clock, spec, confinement } = this.#deps;
    const paths = layout.box(boxId);
    const { cpus, memoryMiB } = SIZES[request.size];
    const meta: BoxMeta = {
      tags: request.tags,
      volumeId,
      size: request.size,
      network: request.network,
      isolation: spec.isolation.name,
      description: `${cpus} cpu · ${memoryMiB / 1024} GiB · ${spec.isolation.name}${request.network ? '' : ' · no network'}`,
      createdAtMs: clock.now(),
      cgroups: confinement.foldersFor(boxId),
    };
    mkdirSync(paths.dir, { recursive: true, mode: 0o700 });
    writeWhole(paths.meta, JSON.stringify(meta));
    return meta;
  }

  async #start(boxId: string, meta: BoxMeta, request: LaunchRequest): Promise<void> {
    const { layout, spec, confinement, telemetry } = this.#deps;
    const paths = layout.box(boxId);
    const { tree } = layout.volume(meta.volumeId);
    const sandbox = prepareBox({ ...spec, processLimit: confinement.processLimit }, request, boxId, paths, tree);
    await this.#listen(boxId, meta);
    const startedAt = performance.now();
    try {
      await startBox({
        paths,
        argv: spec.isolation.argv(sandbox),
        env: sandbox.env,
        cgroupProcs: confinement.open(meta.cgroups, request.size),
        token: request.boxToken,
        onExit: () => this.#onExit(boxId, meta),
      });
    } catch (error) {
      telemetry.warn({ op: 'box.start', outcome: 'error', boxId, ...logFields(meta), detail: (error as Error).message });
      if (!isBoxAlive(paths)) this.#settle(boxId, meta);
      throw error;
    }
    const durationMs = performance.now() - startedAt;
    telemetry.info({ op: 'box.start', outcome: 'ok', boxId, durationMs, ...logFields(meta) });
  }

  async #adopt(boxId: string, meta: BoxMeta): Promise<LaunchResult> {
    // One that was killed with its launcher is gone, and its operation with it: the next attempt is a new one.
    await awaitStarted(this.#deps.layout.box(boxId));
    if (this.#isAlive(boxId, meta)) await this.#listen(boxId, meta);
    return { boxId, volumeId: meta.volumeId, description: meta.description };
  }

  async #listen(boxId: string, meta: BoxMeta): Promise<void> {
    if (this.#listeners.has(boxId)) return;
    const paths = this.#deps.layout.box(boxId);
    this.#listeners.set(boxId, await openBoxListener(paths, refOf(boxId, meta), this.#deps.boxHandler));
  }

  #onExit(boxId: string, meta: BoxMeta): void {
    if (!isBoxAlive(this.#deps.layout.box(boxId))) this.#lost(boxId, meta);
  }

  /** A box that nobody has asked to end was found gone. */
  #lost(boxId: string, meta: BoxMeta): void {
    this.#settle(boxId, meta);
    this.#deps.onBoxGone(refOf(boxId, meta), meta.tags.owner);
  }

  /** Clears up behind a box that is gone. May be repeated. */
  #settle(boxId: string, meta: BoxMeta): void {
    const { confinement, layout, clock } = this.#deps;
    this.#listeners.get(boxId)?.close();
    this.#listeners.delete(boxId);
    this.#leaving.push(...confinement.close(meta.cgroups));
    const paths = layout.box(boxId);
    rmSync(paths.run, { recursive: true, force: true });
    // The whole state folder may have been removed under a launcher that is going down.
    if (existsSync(paths.dir) && !existsSync(paths.ended)) writeFileSync(paths.ended, String(clock.now()));
    this.#gone.add(boxId);
  }

  #isAlive(boxId: string, meta: BoxMeta): boolean {
    if (this.#gone.has(boxId)) return false;
    if (isBoxAlive(this.#deps.layout.box(boxId))) return true;
    // Not before it was started: its launch may be under way.
    if (!existsSync(this.#deps.layout.box(boxId).outer)) return false;
    if (this.#listeners.has(boxId)) this.#lost(boxId, meta);
    else this.#settle(boxId, meta);
    return false;
  }

  observe(box: BoxRef): 'running' | 'gone' {
    const meta = this.#ownMeta(box);
    return meta && this.#isAlive(box.boxId, meta) ? 'running' : 'gone';
  }

  async end(box: BoxRef): Promise<void> {
    const meta = this.#ownMeta(box);
    if (!meta) return;
    const { confinement, layout } = this.#deps;
    await killBox(layout.box(box.boxId), () => confinement.members(meta.cgroups));
    this.#settle(box.boxId, meta);
    this.#forgetOld();
    this.#deps.telemetry.info({ op: 'box.end', outcome: 'ok', boxId: box.boxId, ...logFields(meta) });
  }

  /** Socket of the agent of a box that must be alive. @throws ComputeError unreachable */
  agentSocket(box: BoxRef): string {
    const meta = this.#ownMeta(box);
    if (!meta || !this.#isAlive(box.boxId, meta))
      throw new ComputeError('unreachable', `the box is gone: all its processes have ended (${box.boxId})`);
    return agentSocketOf(this.#deps.layout.box(box.boxId));
  }

  /** Files of a box, gone or not. @throws ComputeError missing */
  known(box: BoxRef): BoxPaths {
    if (!this.#ownMeta(box)) throw new ComputeError('missing', `there is no box ${box.boxId}`);
    return this.#deps.layout.box(box.boxId);
  }

  /** True while a live box has the volume mounted, or is about to. @throws ComputeError transient when that cannot be told */
  inUse(volumeId: string): boolean {
    if (this.#launching.has(volumeId)) return true;
    return this.#ids().some((boxId) => {
      if (this.#gone.has(boxId)) return false;
      const meta = this.#metaOrNull(boxId);
      if (!meta && isBoxAlive(this.#deps.layout.box(boxId))) throw new ComputeError('transient', `nobody knows what ${boxId} uses`);
      return meta?.volumeId === volumeId && this.#isAlive(boxId, meta);
    });
  }

  list(): { items: ListedResource[]; complete: boolean } {
    const items: ListedResource[] = [];
    for (const boxId of this.#ids()) {
      const meta = this.#metaOrNull(boxId);
      const paths = this.#deps.layout.box(boxId);
      if (meta ? !this.#isAlive(boxId, meta) : !isBoxAlive(paths)) continue;
      items.push({
        kind: 'box',
        id: boxId,
        tags: meta?.tags ?? null,
        createdAtMs: meta?.createdAtMs ?? statSync(paths.dir).ctimeMs,
        bytes: null,
        volumeId: meta?.volumeId ?? null,
        size: meta?.size ?? null,
        ...(meta && { wish: { network: meta.network } }),
      });
    }
    return { items, complete: true };
  }

  /** Takes up the boxes that live. One that cannot be listened to keeps no other back: it counts as silent. */
  async adoptAll(): Promise<void> {
    for (const boxId of this.#ids()) {
      const meta = this.#metaOrNull(boxId);
      if (!meta || !this.#isAlive(boxId, meta)) continue;
      try {
        await this.#listen(boxId, meta);
      } catch (error) {
        // A box writes the folder of its sockets, and can put there what no socket can replace.
        this.#deps.telemetry.warn({ op: 'box.listen', outcome: 'error', boxId, ...logFields(meta), detail: String(error) });
      }
    }
    this.#forgetOld();
    this.#watch ??= setInterval(() => this.#lookAtAll(), WATCH_MS).unref();
  }

  #lookAtAll(): void {
    this.#leaving = this.#deps.confinement.close(this.#leaving);
    for (const boxId of [...this.#listeners.keys()]) {
      const meta = this.#metaOrNull(boxId);
      if (meta) this.#isAlive(boxId, meta);
    }
  }

  /** Clears away the files of boxes that have been gone for long, and of those that were never started. */
  #forgetOld(): void {
    const { clock, layout } = this.#deps;
    for (const boxId of this.#ids()) {
      const paths = layout.box(boxId);
      const touchedAtMs = (statSync(paths.ended, { throwIfNoEntry: false }) ?? statSync(paths.dir)).mtimeMs;
      if (clock.now() - touchedAtMs <= GONE_KEEP_MS || isBoxAlive(paths)) continue;
      rmSync(paths.dir, { recursive: true, force: true });
      this.#gone.delete(boxId);
    }
  }

  /** Stops listening. The boxes go on. */
  stop(): void {
    clearInterval(this.#watch);
    this.#watch = undefined;
    for (const listener of this.#listeners.values()) listener.close();
    this.#listeners.clear();
  }

  #ids(): string[] {
    return readdirSync(this.#deps.layout.boxes).filter((name) => /^box_[0-9a-f]{16}$/.test(name));
  }

  /** Null when there is none, or it is of another session or generation. */
  #ownMeta(box: BoxRef): BoxMeta | null {
    if (!/^box_[0-9a-f]{16}$/.test(box.boxId)) return null;
    const meta = this.#meta(box.boxId);
    return meta && meta.tags.sessionId === box.sessionId && meta.tags.generation === box.generation ? meta : null;
  }

  /** @throws ComputeError transient when it is there and cannot be read */
  #meta(boxId: string): BoxMeta | null {
    try {
      const raw = readJson(join(this.#deps.layout.box(boxId).dir, 'meta.json'));
      return raw === null ? null : boxMetaSchema.parse(raw);
    } catch (error) {
      throw new ComputeError('transient', `the description of ${boxId} cannot be read`, { cause: error });
    }
  }

  #metaOrNull(boxId: string): BoxMeta | null {
    try {
      return this.#meta(boxId);
    } catch {
      // Such a box is listed without tags, and left alone.
      return null;
    }
  }
}

const refOf = (boxId: string, meta: BoxMeta): BoxRef => ({ boxId, sessionId: meta.tags.sessionId, generation: meta.tags.generation });
const logFields = ({ tags }: BoxMeta) => ({
  owner: tags.owner,
  workspace: tags.workspace,
  sessionId: tags.sessionId,
  generation: tags.generation,
});
