// Writes the generated documents; with --check it only says which of them differ, and fails then.
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { build } from 'esbuild';

const root = new URL('..', import.meta.url).pathname;
const folder = join(root, 'docs/generated');
const isCheck = process.argv.includes('--check');
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

async function loadDocuments() {
  const { outputFiles } = await build({
    absWorkingDir: root,
    entryPoints: ['.ci/documents.ts'],
    bundle: true,
    write: false,
    platform: 'node',
    target: 'node20',
    format: 'cjs',
    // Far too large to be bundled.
    external: ['aws-cdk-lib', 'aws-cdk-lib/*', 'constructs'],
    logLevel: 'warning',
  });
  // Under node_modules, so that the packages which are not bundled are found from there.
  const cache = join(root, 'node_modules/.cache');
  mkdirSync(cache, { recursive: true });
  const dir = mkdtempSync(join(cache, 'generate-'));
  try {
    const file = join(dir, 'documents.cjs');
    writeFileSync(file, outputFiles[0].text);
    return createRequire(file)(file).documents(version, root);
  } finally {
    rmSync(dir, { recursive: true });
  }
}

const read = (name) => {
  try {
    return readFileSync(join(folder, name), 'utf8');
  } catch {
    return null;
  }
};

const documents = await loadDocuments();
mkdirSync(folder, { recursive: true });
const stale = Object.keys(documents).filter((name) => read(name) !== documents[name]);
const extra = readdirSync(folder).filter((name) => !(name in documents));
if (isCheck) {
  for (const name of stale) console.error(`docs/generated/${name} is not what the code says: run npm run generate`);
  for (const name of extra) console.error(`docs/generated/${name} is not generated: remove it`);
  process.exit(stale.length + extra.length > 0 ? 1 : 0);
}
for (const name of stale) writeFileSync(join(folder, name), documents[name]);
for (const name of extra) rmSync(join(folder, name));
console.log(stale.length + extra.length === 0 ? 'generated documents are up to date' : `wrote ${[...stale, ...extra].join(', ')}`);
