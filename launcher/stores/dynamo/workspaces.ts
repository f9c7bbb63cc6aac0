import { type WorkspaceRecord, workspaceRecordSchema } from '../../contract/records.ts';
import type { StorePort } from '../../ports/store.ts';
import { IS_NEW, SAME_WORKSPACE_VERSION } from './conditions.ts';
import type { Connection } from './connection.ts';
import { WORKSPACE_PREFIX, workspaceKey } from './keys.ts';
import { listOwned } from './lists.ts';
import type { Owners } from './owners.ts';
import { decode, encode, number, type Shape, text } from './rows.ts';

const SHAPE: Shape<WorkspaceRecord> = {
  schema: workspaceRecordSchema,
  columns: { version: 'version', id: 'workspaceUid' },
  key: (workspace) => workspaceKey(workspace.owner, workspace.name),
};

const guardOf = (workspace: WorkspaceRecord) => ({
  condition: SAME_WORKSPACE_VERSION,
  values: { ':version': number(workspace.version), ':workspaceUid': text(workspace.id) },
});

type WorkspaceMethods = Pick<StorePort, 'getWorkspace' | 'createWorkspace' | 'saveWorkspace' | 'deleteWorkspace' | 'listWorkspaces'>;

export function workspaceMethods(connection: Connection, owners: Owners): WorkspaceMethods {
  return {
    async getWorkspace(owner, name) {
      const row = await connection.get(workspaceKey(owner, name));
      return row && decode(SHAPE, row);
    },

    async createWorkspace(workspace) {
      await owners.know(workspace.owner);
      return connection.put(SHAPE.key(workspace), encode(SHAPE, workspace), { condition: IS_NEW });
    },

    async saveWorkspace(workspace) {
      const saved = { ...workspace, version: workspace.version + 1 };
      const won = await connection.change(SHAPE.key(workspace), { set: encode(SHAPE, saved) }, guardOf(workspace));
      return won ? saved : null;
    },

    deleteWorkspace: (workspace) => connection.remove(SHAPE.key(workspace), guardOf(workspace)),

    listWorkspaces: (owner, page) => listOwned(connection, SHAPE, { owner, prefix: WORKSPACE_PREFIX, newestFirst: false }, page),
  };
}
