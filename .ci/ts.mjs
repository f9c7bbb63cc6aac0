// Runs a program that is written in TypeScript: `node .ci/ts.mjs FILE [arguments]` bundles it to a file of its own and runs that.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, join, resolve } from 'node:path';
import { build } from 'esbuild';

const root = new URL('..', import.meta.url).pathname;
const [entry, ...rest] = process.argv.slice(2);
if (entry === undefined) {
  console.error('usage: node .ci/ts.mjs FILE [arguments]');
  process.exit(2);
}

// Under node_modules, so that the packages which cannot be bundled are found from there.
const cache = join(root, 'node_modules/.cache');
mkdirSync(cache, { recursive: true });
const dir = mkdtempSync(join(cache, 'ts-'));
process.on('exit', () => rmSync(dir, { recursive: true, force: true }));
const file = join(dir, `${basename(entry, '.ts')}.cjs`);
await build({
  entryPoints: [resolve(entry)],
  outfile: file,
  bundle: true,
  platform: 'node',
  target: 'node20',
  format: 'cjs',
  sourcemap: 'inline',
  external: ['@lydell/node-pty', 'aws-cdk-lib', 'cdk-nag', 'classic-level', 'constructs', 'esbuild'],
  logLevel: 'warning',
});
process.setSourceMapsEnabled(true);
process.argv = [process.argv[0], file, ...rest];
createRequire(file)(file);
