// What the suites of test/image need on this machine, before they begin; the root folder of packer's scripts is made here, too.
import { spawnSync } from 'node:child_process';
import { provisionedRoot } from './root.mjs';

const NEEDED = {
  shellcheck: 'shellcheck',
  packer: 'packer',
  debootstrap: 'debootstrap',
  unshare: 'util-linux',
};

const missing = Object.entries(NEEDED).filter(([command]) => spawnSync('sh', ['-c', `command -v ${command}`]).status !== 0);
if (missing.length > 0) {
  console.error(
    `test:image needs ${missing.map(([command]) => command).join(', ')}: apt install ${missing.map(([, name]) => name).join(' ')}`,
  );
  process.exit(1);
}
if (process.getuid?.() !== 0) {
  console.error('test:image lays a root folder with debootstrap and provisions it: run it as root');
  process.exit(1);
}
if (spawnSync('npm', ['run', '-s', 'build'], { stdio: ['ignore', 2, 2] }).status !== 0) process.exit(1);
try {
  console.error(`root folder: ${provisionedRoot()}`);
} catch (error) {
  console.error(error.message);
  process.exit(1);
}
