import type { BoxDisk } from '../contract/box.ts';
import { DevctlError } from '../contract/errors.ts';
import type { SessionRecord, WorkspaceRecord } from '../contract/records.ts';

/** True of the first disk of a workspace until a box has mounted it: nothing was ever saved, and nothing can be on it. */
const isFirst = ({ head, source, volume }: WorkspaceRecord): boolean =>
  head === null && source.kind !== 'fork' && volume?.fileSystem === undefined;

/**
 * The disk that a box has to mount. Only a first disk may be formatted: an empty one in the place of any other would be work that is lost.
 * @throws DevctlError wrong_phase: there is none now
 */
export function diskOf({ box, phase }: SessionRecord, workspace: WorkspaceRecord | null): BoxDisk {
  const volumeId = box?.volumeId;
  if (workspace === null || volumeId === undefined || workspace.volume?.id !== volumeId)
    throw new DevctlError('wrong_phase', `the session is ${phase}: it has no disk now`);
  const mayFormat = isFirst(workspace);
  return { volumeId, mayFormat, fileSystem: mayFormat ? null : (workspace.fileSystem ?? null) };
}

/** The workspace with the file system that its box has mounted; null when that is known. */
export function withFileSystem(workspace: WorkspaceRecord, fileSystem: string): WorkspaceRecord | null {
  const { volume } = workspace;
  if (volume === null || volume.fileSystem !== undefined) return null;
  return { ...workspace, fileSystem, volume: { ...volume, fileSystem } };
}
