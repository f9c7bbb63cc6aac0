import { isAbsolute, join, normalize } from 'node:path';
import { BOX_PATHS } from '../launcher/contract/agent-config.ts';
import { DevctlError } from '../launcher/contract/errors.ts';

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

/** The path that a request asks for. @throws DevctlError invalid_request */
export const pathOf = (url: URL): string => paramOf(url, 'path');

export function paramOf(url: URL, name: string): string {
  const value = url.searchParams.get(name);
  if (!value || value.includes('\0')) throw new DevctlError('invalid_request', `the query has no usable ${name}`);
  return value;
}
