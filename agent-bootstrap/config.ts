import { closeSync, openSync, readFileSync } from 'node:fs';
import type { BoxConfig } from '../launcher/contract/agent-config.ts';

export interface Startup {
  config: BoxConfig;
  /** Secret of this generation. Lives in this process only: never in a file, an argument or an environment. */
  token: string;
}

/** Reads the box's configuration, and its token from standard input, which is empty from then on. */
export function readStartup(configPath: string): Startup {
  const config = JSON.parse(readFileSync(configPath, 'utf8')) as BoxConfig;
  const token = readFileSync(0, 'utf8').trim();
  closeSync(0);
  // The lowest free descriptor is taken: standard input stays a valid, empty file.
  openSync('/dev/null', 'r');
  if (token === '') throw new Error('no box token on standard input');
  return { config, token };
}
