import { readFileSync, renameSync, writeFileSync } from 'node:fs';

/** What an agent of this boot has noted as JSON, in memory of the machine; null where nothing was. The agent is trusted with its own shape. */
export function readNote<T>(path: string): T | null {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as T;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT' || error instanceof SyntaxError) return null;
    throw error;
  }
}

/** For the agent alone. As a whole or not at all: an agent may be killed while it writes, and the next one goes by what it finds. */
export function writeNote(path: string, value: unknown): void {
  const whole = `${path}.new`;
  writeFileSync(whole, `${JSON.stringify(value)}\n`, { mode: 0o600 });
  renameSync(whole, path);
}
