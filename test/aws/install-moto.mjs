// Moto, an independent server that speaks as AWS does, for the suites that need one.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const MOTO = '5.2.1';

const quietly = (command, ...args) => spawnSync(command, args, { stdio: ['ignore', 'pipe', 'ignore'], encoding: 'utf8' });
const say = (line) => {
  console.error(line);
  process.exit(1);
};

/** The server on the path, when it is of this version; otherwise one of its own, in a folder beside this file. */
export function installMoto() {
  const folder = fileURLToPath(new URL('.moto/', import.meta.url));
  const ask = 'from importlib.metadata import version; print(version("moto"))';
  if (quietly(`${folder}bin/python`, '-c', ask).stdout?.trim() === MOTO) return;
  if (quietly('moto_server', '--help').status === 0 && quietly('python3', '-c', ask).stdout?.trim() === MOTO) return;
  console.error(`installing moto ${MOTO} in ${folder}`);
  const made = spawnSync('python3', ['-m', 'venv', '--clear', folder], { stdio: ['ignore', 2, 2] });
  if (made.status !== 0) say('moto needs Python 3 with venv: apt install python3-venv, or brew install python');
  const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', `moto[server]==${MOTO}`];
  if (spawnSync(`${folder}bin/python`, pip, { stdio: ['ignore', 2, 2] }).status !== 0) say('pip install failed: see above');
}
