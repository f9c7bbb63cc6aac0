import type { SessionRecord, WorkspaceRecord } from '../../launcher/contract/records.ts';
import { type Files, sameFiles, textOf } from './fake-disks.ts';
import type { World } from './world.ts';

/**
 * What users know of their files. The truth of a workspace is what its owner would find in a correct world: each write, but
 * for what was never flushed when its box died.
 */
export class Oracle {
  readonly #world: World;
  readonly #truth = new Map<string, Files>();
  /** Workspaces whose disk was taken away: nothing can be promised of their newest bytes. */
  readonly lost = new Set<string>();

  constructor(world: World) {
    this.#world = world;
    world.compute.onGone = (box, left) => {
      if (this.#truth.has(box.tags.workspaceId) && this.#isReadyBox.has(box.id)) this.set(box.tags.workspaceId, left);
    };
  }

  /** Boxes in which somebody could work. */
  readonly #isReadyBox = new Set<string>();

  truth(workspaceId: string): Files {
    return this.#truth.get(workspaceId) ?? {};
  }

  set(workspaceId: string, files: Files): void {
    this.#truth.set(workspaceId, { ...files });
  }

  /** A user writes in the box of a ready session. */
  write(session: SessionRecord, path: string, text: string): void {
    const boxId = session.box?.id ?? '';
    this.#world.compute.write(boxId, path, text);
    this.set(session.workspaceId, { ...this.truth(session.workspaceId), [path]: text });
  }

  /** Promises that must hold at every moment. */
  async check(): Promise<void> {
    const { compute, store } = this.#world;
    for (const words of compute.violations) throw new Error(words);
    const sessions = await this.#world.live();
    const ready = sessions.filter(({ phase, box }) => phase === 'ready' && box !== null);
    for (const session of ready) this.#checkReady(session, ready);
    const page = await store.listWorkspaces('dev', { limit: 200, after: null });
    for (const workspace of page.items) this.#checkWorkspace(workspace);
  }

  #checkReady(session: SessionRecord, ready: SessionRecord[]): void {
    const { compute } = this.#world;
    const other = ready.find(({ id, workspaceId }) => id !== session.id && workspaceId === session.workspaceId);
    if (other) throw new Error(`X: ${session.id} and ${other.id} both write to ${session.workspace}`);
    const box = compute.boxes.get(session.box?.id ?? '');
    if (box?.state !== 'running') return;
    this.#isReadyBox.add(box.id);
    const files = compute.disks.content(box.volumeId);
    this.#mustBe(session.workspace, session.workspaceId, files, `the disk of ${box.id}`);
  }

  #checkWorkspace(workspace: WorkspaceRecord): void {
    if (workspace.deleting || this.lost.has(workspace.id)) return;
    const { disks } = this.#world.compute;
    const { volume, head, claim } = workspace;
    const live = volume === null ? undefined : disks.volumes.get(volume.id);
    if (volume !== null && live === undefined) throw new Error(`W: the volume ${volume.id} of ${workspace.name} is gone`);
    const headFiles = head === null ? {} : disks.restore(head);
    const isSaved = volume === null || volume.savedEpoch >= volume.epoch;
    if (claim !== null) return;
    if (live !== undefined) this.#mustBe(workspace.name, workspace.id, disks.content(live.id), 'its live volume');
    if (isSaved) this.#mustBe(workspace.name, workspace.id, headFiles, 'its head');
  }

  #mustBe(name: string, workspaceId: string, found: Files, where: string): void {
    const truth = this.truth(workspaceId);
    if (this.lost.has(workspaceId) || sameFiles(found, truth)) return;
    throw new Error(`W: ${where} of ${name} has ${textOf(found)}; its owner wrote ${textOf(truth)}`);
  }
}
