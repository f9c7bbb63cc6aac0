import { accessSync, constants, statSync } from 'node:fs';
import { resolve } from 'node:path';

/** Where a command is, by the rules of a shell: 127 when there is none, 126 when it is there and cannot be run. */
export function findCommand(name: string, path: string, cwd: string): { file: string } | { code: 126 | 127; message: string } {
  const candidates = name.includes('/') ? [resolve(cwd, name)] : path.split(':').map((folder) => resolve(cwd, folder || '.', name));
  let denied = false;
  for (const file of name === '' ? [] : candidates) {
    const stat = statSync(file, { throwIfNoEntry: false });
    if (!stat || (stat.isDirectory() && !name.includes('/'))) continue;
    denied = true;
    if (stat.isFile() && isExecutable(file)) return { file };
  }
  if (denied) return { code: 126, message: `devctl: ${name}: cannot be executed` };
  return { code: 127, message: `devctl: ${name}: command not found` };
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    // That it cannot be run is the answer.
    return false;
  }
}
