import { closeSync, openSync, readFileSync } from 'node:fs';
import type { BoxConfig, MachineConfig } from '../launcher/contract/agent-config.ts';

export const readConfig = (path: string): BoxConfig | MachineConfig => JSON.parse(readFileSync(path, 'utf8')) as BoxConfig | MachineConfig;

/** The secret of this generation, from standard input, which is empty from then on. It lives in this process only: never in a file, an argument or an environment. */
export function readToken(): string {
  const token = readFileSync(0, 'utf8').trim();
  closeSync(0);
  // The lowest free descriptor is taken: standard input stays a valid, empty file.
  openSync('/dev/null', 'r');
  if (token === '') throw new Error('no box token on standard input');
  return token;
}
