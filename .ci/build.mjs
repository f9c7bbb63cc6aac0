// Builds the programs: the CLI, the launcher that it starts and the agent of a box, each as one bundled file, and the launcher in
// Lambda as a folder. Beside
// CLI and launcher lies what V8 has made of them (see program.cjs); they run without it, too. Beside the agent lies what the image
// tells it of every box.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { build } from 'esbuild';

const root = new URL('..', import.meta.url).pathname;
const dist = join(root, 'dist');
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

// What cannot be bundled: native code, found in node_modules at run time.
const native = ['@lydell/node-pty', 'classic-level'];

const common = {
  absWorkingDir: root,
  write: false,
  minify: true,
  platform: 'node',
  target: 'node20',
  format: 'cjs',
  logLevel: 'warning',
};

/** The text of one program. */
async function bundle(entry, options) {
  const { outputFiles } = await build({
    ...common,
    entryPoints: [entry],
    bundle: true,
    keepNames: true,
    define: { 'process.env.DEVCTL_BUILD_VERSION': JSON.stringify(version) },
    external: native,
    // ES modules where a package has them: less of them is kept.
    mainFields: ['module', 'main'],
    ...options,
  });
  return outputFiles[0].text;
}

/** Puts a file in its place as a whole: a program that is started meanwhile finds the old or the new one. */
function replace(path, content, mode = 0o644) {
  const partial = `${path}.${process.pid}`;
  writeFileSync(partial, content, { mode });
  renameSync(partial, path);
}

/** The SDK of EC2 is larger than the launcher, and most launchers never need it; the same goes for AWS credentials and the CLI: files of their own. */
const APART = [
  { filter: /\/sdk-api\.ts$/, entry: 'launcher/providers/ec2/sdk-api.ts', name: 'aws.cjs' },
  { filter: /\/aws\/sdk\.ts$|^\.\/sdk\.ts$/, entry: 'launcher/connect/aws/sdk.ts', name: 'aws-user.cjs' },
];
const apart = {
  name: 'apart',
  setup({ onResolve }) {
    for (const { filter, name } of APART) onResolve({ filter }, () => ({ path: `./${name}`, external: true }));
  },
};

/** A program that starts from kept code, and that code: it is run once, with `words`, for what its start needs. */
async function writeFast(name, entry, words) {
  // `import()` is not for the text of a script: what is not bundled is required.
  const text = await bundle(entry, { supported: { 'dynamic-import': false }, plugins: [apart] });
  const body = `(function (exports, require, module, __filename, __dirname) {${text}\n})`;
  const mark = createHash('sha256').update(body).digest('hex');
  const { outputFiles } = await build({
    ...common,
    entryPoints: [join(root, '.ci/program.cjs')],
    banner: { js: '#!/usr/bin/env node' },
    define: { PROGRAM_TEXT: JSON.stringify(body), PROGRAM_MARK: JSON.stringify(mark) },
  });
  const program = join(dist, `${name}.cjs`);
  replace(program, outputFiles[0].text, 0o755);
  const scratch = mkdtempSync(join(tmpdir(), 'devctl-build-'));
  try {
    const made = join(scratch, 'code');
    execFileSync(process.execPath, [join(root, '.ci/code-cache.mjs'), made, program, ...words], {
      // Settings of who builds, such as the address of a launcher, are not for this run.
      env: { PATH: process.env.PATH, HOME: scratch, DEVCTL_HOME: join(scratch, 'home') },
      stdio: 'ignore',
    });
    const code = readFileSync(made);
    const node = `${process.platform} ${process.arch} ${Object.values(process.versions).join()}`;
    replace(join(dist, `${name}.cache`), Buffer.concat([Buffer.from(`${mark} ${node}\n`), code, code]));
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/**
 * The launcher as functions of Lambda, in a folder of its own that is zipped as it is. ES modules in pieces: what a request does not
 * need, the SDK of EC2 above all, is not read for it (npm run bench -- lambda).
 */
async function writeLambda() {
  const folder = join(dist, 'lambda');
  const { outputFiles } = await build({
    ...common,
    entryPoints: [{ in: 'launcher/lambda.ts', out: 'index' }],
    outdir: folder,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    format: 'esm',
    splitting: true,
    target: 'node22',
    define: { 'process.env.DEVCTL_BUILD_VERSION': JSON.stringify(version) },
    mainFields: ['module', 'main'],
    // Packages that are CommonJS require what Node has.
    banner: { js: "import { createRequire as createRequireOf } from 'node:module'; const require = createRequireOf(import.meta.url);" },
  });
  const partial = mkdtempSync(join(dist, 'lambda-'));
  for (const { path, contents } of outputFiles) writeFileSync(join(partial, basename(path)), contents);
  // Readable by everybody: Lambda runs it as another user than who has zipped it.
  chmodSync(partial, 0o755);
  rmSync(folder, { recursive: true, force: true });
  renameSync(partial, folder);
}

mkdirSync(dist, { recursive: true });
replace(join(dist, 'agent.cjs'), await bundle('agent-bootstrap/main.ts', { banner: { js: '#!/usr/bin/env node' } }));
const settings = await bundle('packer/agent-config.ts', { format: 'esm' });
const { agentConfig } = await import(`data:text/javascript,${encodeURIComponent(settings)}`);
replace(join(dist, 'agent.json'), `${JSON.stringify(agentConfig, null, 2)}\n`);
for (const { entry, name } of APART) replace(join(dist, name), await bundle(entry, {}));
await writeFast('devctl', 'launcher/cli/main.ts', ['ls']);
await writeFast('launcher', 'launcher/main.ts', []);
await writeLambda();
