import { isAbsolute, join, normalize } from 'node:path';
import { BOX_PATHS } from '../launcher/contract/agent-config.ts';

/**
 * A path as people write it (absolute in the box, or relative to /workspace/src) as a path of this process.
 * Both differ only where the workspace could not be mounted at its usual place.
 */
export function resolveInBox(workspaceRoot: string, path: string): string {
  const absolute = normalize(isAbsolute(path) ? path : join(BOX_PATHS.src, path));
  if (absolute === BOX_PATHS.workspace || absolute.startsWith(`${BOX_PATHS.workspace}/`)) {
    return workspaceRoot + absolute.slice(BOX_PATHS.workspace.length);
  }
  return absolute;
}
