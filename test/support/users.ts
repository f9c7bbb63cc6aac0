import { DevctlError } from '../../launcher/contract/errors.ts';
import { makeId } from '../../launcher/contract/fields.ts';
import type { SessionRecord, SnapshotRef, WorkspaceRecord } from '../../launcher/contract/records.ts';
import { askCheckpoint, askToPark, askToStop, askToWake, interrupt, markDeleted, restoredTo } from '../../launcher/core/admission.ts';
import { type NewSession, newSession } from '../../launcher/core/session.ts';
import { newWorkspace } from '../../launcher/core/workspace.ts';
import { changeSession } from '../../launcher/ledger/sessions.ts';
import { changeWorkspace, claimWorkspace, releaseWorkspace } from '../../launcher/ledger/workspaces.ts';
import type { Clock } from '../../launcher/ports/clock.ts';
import type { Files } from './fake-disks.ts';
import { type Launcher, OWNER, type World } from './world.ts';

type Deps = Launcher['deps'];

/** What users need of the world that they are in. */
export interface Stage extends Pick<World, 'random' | 'limits' | 'store' | 'session' | 'workspace'> {
  readonly clock: Clock;
  act<T>(run: (deps: Deps) => Promise<T>): Promise<T>;
  readonly oracle: { write(session: SessionRecord, path: string, text: string): void; set(workspaceId: string, files: Files): void };
  contentOfHead(head: SnapshotRef): Files;
  /** What the owner of a session has written. */
  filesOf(sessionId: string): Promise<Files>;
  /** The owner wants it gone: its bytes are nobody's any more. */
  forget(workspaceId: string): void;
}

export interface LiveFork {
  operationId: string;
  id: string;
  name: string;
  source: string;
  sessionId: string;
  /** What its box had when it was asked for. */
  files: Files;
}

type UpOptions = Partial<Omit<NewSession, 'owner' | 'id' | 'workspace' | 'workspaceId'>>;

const HOUR_MS = 3_600_000;
const QUOTAS = { liveSessions: 50, workspaces: 50, snapshotBytes: 1e12 };

/** What users do, in the order of records in which the API does it. A repeat after a crash uses the same ids. */
export class Users {
  readonly #world: Stage;
  constructor(world: Stage) {
    this.#world = world;
  }

  id(prefix: 'ses' | 'ws'): string {
    return makeId(prefix, this.#world.clock.now(), this.#world.random.bytes(16));
  }

  /** Asks for a session; the workspace is made if there is none. @throws DevctlError workspace_in_use … */
  async up(name: string, options: UpOptions = {}): Promise<string> {
    const id = this.id('ses');
    await this.#world.act((deps) => this.#create(deps, id, name, options));
    return id;
  }

  /** As `up` by an API that died before it claimed the workspace. */
  async recordOnly(name: string): Promise<string> {
    const id = this.id('ses');
    await this.#world.act((deps) => this.#record(deps, id, name, {}));
    return id;
  }

  async #create(deps: Deps, id: string, name: string, options: UpOptions): Promise<void> {
    const known = await deps.store.getSession({ owner: OWNER, id });
    const session = known ?? (await this.#record(deps, id, name, options));
    if (session.phase !== 'requested') return;
    try {
      await claimWorkspace(deps, session);
    } catch (error) {
      if (!(error instanceof DevctlError) || error.code === 'stale_generation') return;
      if (await deps.store.deleteSession(session)) {
        await deps.store.releaseSession(OWNER, id);
        await releaseWorkspace(deps, session);
      }
      throw error;
    }
  }

  async #record(deps: Deps, id: string, name: string, options: UpOptions): Promise<SessionRecord> {
    await deps.store.reserveSession(OWNER, id, QUOTAS);
    const workspace = await this.#workspace(deps, name, id.replace(/^ses_/, 'ws_'));
    const record = newSession(
      {
        owner: OWNER,
        id,
        workspace: name,
        workspaceId: workspace.id,
        size: 'small',
        policy: 'spot-preferred',
        instanceTypes: [],
        arch: null,
        network: true,
        persistent: false,
        secrets: [],
        awsCredentials: false,
        idleTtlMs: HOUR_MS,
        maxTtlMs: 12 * HOUR_MS,
        ...options,
      },
      this.#world.clock.now(),
    );
    if (await deps.store.createSession(record)) return record;
    return this.#world.session(id);
  }

  async #workspace(deps: Deps, name: string, id: string): Promise<WorkspaceRecord> {
    const found = await deps.store.getWorkspace(OWNER, name);
    if (found?.deleting) throw new DevctlError('not_found', 'it is being deleted');
    if (found) return found;
    await deps.store.reserveWorkspace(OWNER, id, QUOTAS);
    await deps.store.createWorkspace(newWorkspace({ owner: OWNER, name, id, source: { kind: 'empty' } }, this.#world.clock.now()));
    return this.#world.workspace(name);
  }

  async write(sessionId: string, path: string, text: string): Promise<void> {
    this.#world.oracle.write(await this.#world.session(sessionId), path, text);
  }

  async down(sessionId: string): Promise<void> {
    await this.#world.act((deps) =>
      changeSession(deps, { owner: OWNER, id: sessionId }, (session) => askToStop(session, this.#world.clock.now())),
    );
  }

  async checkpoint(sessionId: string): Promise<void> {
    const ask = { operationId: `${sessionId}.checkpoint.${this.id('ws')}`, note: null, reason: 'checkpoint' as const };
    await this.#world.act((deps) =>
      changeSession(deps, { owner: OWNER, id: sessionId }, (session) =>
        askCheckpoint(session, ask, this.#world.clock.now(), this.#world.limits),
      ),
    );
  }

  async park(sessionId: string): Promise<void> {
    await this.#world.act((deps) =>
      changeSession(deps, { owner: OWNER, id: sessionId }, (session) => askToPark(session, this.#world.clock.now())),
    );
  }

  async wake(sessionId: string): Promise<void> {
    await this.#world.act((deps) =>
      changeSession(deps, { owner: OWNER, id: sessionId }, (session) => askToWake(session, this.#world.clock.now())),
    );
  }

  /** Its box is taken away in so many ms. */
  async interrupt(sessionId: string, inMs: number): Promise<void> {
    const nowMs = this.#world.clock.now();
    await this.#world.act((deps) =>
      changeSession(deps, { owner: OWNER, id: sessionId }, (session) =>
        interrupt(session, { endsAtMs: nowMs + inMs, source: 'provider' }, nowMs),
      ),
    );
  }

  /** A workspace that begins with the head of another one. */
  async fork(source: string, name: string): Promise<void> {
    const { head } = await this.#world.workspace(source);
    if (head === null) throw new DevctlError('wrong_phase', 'it has no head');
    const id = this.id('ws');
    await this.#world.act(async (deps) => {
      await deps.store.reserveWorkspace(OWNER, id, QUOTAS);
      if (!(await deps.store.pinSnapshot(OWNER, head, id))) throw new DevctlError('not_found', 'its head is being deleted');
      const fork = newWorkspace(
        { owner: OWNER, name, id, source: { kind: 'fork', workspace: source, snapshot: head } },
        this.#world.clock.now(),
      );
      if (!(await deps.store.createWorkspace(fork)) && (await deps.store.getWorkspace(OWNER, name))?.id !== id)
        throw new DevctlError('in_use', `${name} is there already`);
    });
    this.#world.oracle.set(id, this.#world.contentOfHead(head));
  }

  /** A fork of what the live box has now. @returns what its operation is called */
  async forkLive(source: string, sessionId: string, name: string): Promise<LiveFork> {
    const id = this.id('ws');
    const fork = { operationId: `${sessionId}.fork.${id}`, id, name, source, sessionId, files: await this.#world.filesOf(sessionId) };
    const ask = { operationId: fork.operationId, note: null, reason: 'fork' as const, copies: [{ workspaceId: id, workspace: name }] };
    const key = { owner: OWNER, id: sessionId };
    await this.#world.act((deps) =>
      changeSession(deps, key, (session) => askCheckpoint(session, ask, this.#world.clock.now(), this.#world.limits)),
    );
    return fork;
  }

  /** Makes the workspace, as soon as there is something for it to begin with. @returns with what; null: not yet */
  async forked(fork: LiveFork): Promise<'copy' | 'snapshot' | 'nothing' | null> {
    const { id, name, source, operationId } = fork;
    const { snapshot, checkpoint, workspaceId } = await this.#world.session(fork.sessionId);
    const isIt = snapshot?.operationId === operationId;
    const copy = isIt ? snapshot.copies?.[0] : undefined;
    const { items } = await this.#world.store.listSnapshots(OWNER, workspaceId, { limit: 50, after: null });
    const record = items.find((each) => each.operationId === operationId && each.state !== 'error');
    if (copy === undefined && (isIt || checkpoint?.operationId === operationId)) return null;
    if (record === undefined || (copy === undefined && record.state !== 'completed')) return 'nothing';
    const ref = { workspaceId: record.workspaceId, id: record.id };
    await this.#world.act(async (deps) => {
      await deps.store.reserveWorkspace(OWNER, id, QUOTAS);
      if (copy === undefined && !(await deps.store.pinSnapshot(OWNER, ref, id))) throw new DevctlError('not_found', 'it is gone');
      const kind = { kind: 'fork' as const, workspace: source, snapshot: ref };
      await deps.store.createWorkspace(newWorkspace({ owner: OWNER, name, id, source: kind }, this.#world.clock.now(), copy ?? null));
    });
    this.#world.oracle.set(id, fork.files);
    return copy === undefined ? 'snapshot' : 'copy';
  }

  async restore(name: string, snapshotId: string): Promise<void> {
    const before = await this.#world.workspace(name);
    const ref = { workspaceId: before.id, id: snapshotId };
    const files = await this.#world.act(async (deps) => {
      const snapshot = await deps.store.getSnapshot(OWNER, ref);
      const all = await deps.store.listSnapshots(OWNER, before.id, { limit: 200, after: null });
      if (snapshot === null || all.items.some(({ state }) => state === 'pending')) throw new DevctlError('in_use', 'not now');
      if (!(await deps.store.pinSnapshot(OWNER, ref, before.id))) throw new DevctlError('in_use', 'it is being deleted');
      const restore = { id: `${before.id}/${before.version}`, seq: before.snapshotSeq + 1, givenUpEpoch: null };
      await changeWorkspace(deps, OWNER, name, (current) => restoredTo(current, ref, restore));
      return this.#world.contentOfHead(ref);
    });
    this.#world.oracle.set(before.id, files);
  }

  async delete(name: string): Promise<void> {
    const { id } = await this.#world.workspace(name);
    const { items } = await this.#world.store.listSnapshots(OWNER, id, { limit: 200, after: null });
    if (items.some(({ pins }) => pins.some((pin) => pin !== id))) throw new DevctlError('in_use', 'a fork begins with it');
    await this.#world.act((deps) =>
      changeWorkspace(deps, OWNER, name, (current) => (current.deleting ? null : markDeleted(current, null, true))),
    );
    this.#world.forget(id);
  }
}
