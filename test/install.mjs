// Installs the packages of a folder under test/ that has a lock file of its own: heavy ones that only one suite needs.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const readJson = (url) => {
  try {
    return JSON.parse(readFileSync(url, 'utf8'));
  } catch {
    return null;
  }
};

/** @param {URL} folder ends with a slash */
export function installIn(folder) {
  const wanted = readJson(new URL('package-lock.json', folder)).packages;
  const present = readJson(new URL('node_modules/.package-lock.json', folder))?.packages ?? {};
  const missing = Object.keys(wanted).filter((path) => path && present[path]?.version !== wanted[path].version);
  if (missing.length === 0) return;
  console.error(`installing ${missing.map((path) => path.replace(/^.*node_modules\//, '')).join(', ')} in ${fileURLToPath(folder)}`);
  const { status } = spawnSync('npm', ['ci', '--no-audit', '--no-fund'], { cwd: folder, stdio: ['ignore', 2, 2] });
  if (status !== 0) {
    console.error('npm ci failed: see above');
    process.exit(1);
  }
}
