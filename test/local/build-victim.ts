import { join } from 'node:path';
import { build } from 'esbuild';
import { PACKAGE_ROOT } from './local-harness.ts';

/** Builds the launcher that is going to be killed (victim.ts). @returns its program */
export async function buildVictim(folder: string): Promise<string> {
  const outfile = join(folder, 'victim.mjs');
  const entryPoints = [join(PACKAGE_ROOT, 'test/local/victim.ts')];
  await build({ entryPoints, outfile, bundle: true, platform: 'node', format: 'esm', logLevel: 'error' });
  return outfile;
}
