// Runs the suites of `npm test` with the Node 24 of this folder, installing it first where it is missing.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { installIn } from '../install.mjs';

const folder = new URL('./', import.meta.url);
installIn(folder);
const node = fileURLToPath(new URL('node_modules/node/bin/node', folder));
const vitest = fileURLToPath(new URL('../../node_modules/vitest/vitest.mjs', folder));
const suites = ['--project', 'unit', '--project', 'local'];
const { status } = spawnSync(node, [vitest, 'run', '--config', 'test/vitest.config.ts', ...suites, ...process.argv.slice(2)], {
  cwd: new URL('../..', folder),
  stdio: 'inherit',
});
process.exit(status ?? 1);
