import { isFinal } from '../../launcher/contract/phases.ts';
import type { SessionRecord, WorkspaceRecord } from '../../launcher/contract/records.ts';
import type { StorePort } from '../../launcher/ports/store.ts';

export const OWNER = 'dev';

/** What the table of a world holds, whoever runs in it. */
export class Records {
  constructor(public store: StorePort) {}

  async session(id: string): Promise<SessionRecord> {
    const session = await this.store.getSession({ owner: OWNER, id });
    if (session === null) throw new Error(`no session ${id}`);
    return session;
  }

  async workspace(name: string): Promise<WorkspaceRecord> {
    const workspace = await this.store.getWorkspace(OWNER, name);
    if (workspace === null) throw new Error(`no workspace ${name}`);
    return workspace;
  }

  async live(): Promise<SessionRecord[]> {
    const page = await this.store.listSessions(OWNER, { limit: 200, after: null });
    return page.items.filter((session) => !isFinal(session.phase));
  }
}
