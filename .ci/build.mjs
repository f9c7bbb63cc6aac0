// Builds the three programs, each as one bundled text: the CLI, the launcher that it starts, and the agent of a box.
// dist/devctl.cjs runs dist/devctl.body with the help of dist/devctl.cache (see program.cjs), and the launcher likewise. The
// agent is one file, which is all of it that its box is shown.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { build } from 'esbuild';

const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
const root = new URL('..', import.meta.url).pathname;
const dist = join(root, 'dist');

// What cannot be bundled: native code, found in node_modules at run time.
const native = ['@lydell/node-pty', 'classic-level'];

const { outputFiles } = await build({
  absWorkingDir: root,
  entryPoints: { devctl: 'launcher/cli/main.ts', launcher: 'launcher/main.ts', agent: 'agent-bootstrap/main.ts' },
  outdir: 'dist',
  write: false,
  bundle: true,
  minify: true,
  keepNames: true,
  platform: 'node',
  target: 'node20',
  format: 'cjs',
  // The text is a function, not a module: `import()` of what is not bundled becomes `require`.
  supported: { 'dynamic-import': false },
  define: { 'process.env.DEVCTL_BUILD_VERSION': JSON.stringify(version) },
  external: native,
  // ES modules where a package has them: less of them is kept.
  mainFields: ['module', 'main'],
  logLevel: 'warning',
});

/** Puts a file in its place as a whole: a program that is started meanwhile finds the old or the new one. */
function replace(file, put) {
  const partial = `${file}.${process.pid}`;
  put(partial);
  renameSync(partial, file);
}

mkdirSync(dist, { recursive: true });
for (const { path, text } of outputFiles) {
  const program = join(dist, `${basename(path, '.js')}.cjs`);
  if (program.endsWith('/agent.cjs')) {
    replace(program, (file) => writeFileSync(file, text));
    continue;
  }
  const body = `(function (exports, require, module, __filename, __dirname) {${text}\n})`;
  const mark = createHash('sha256').update(body).digest('hex');
  replace(program.replace(/cjs$/, 'body'), (file) => writeFileSync(file, `${body}//${mark}`));
  replace(program, (file) => {
    copyFileSync(join(root, '.ci/program.cjs'), file);
    chmodSync(file, 0o755);
  });
}

// Each is run as far as it gets with nothing around it: what it has loaded until then is what makes its start slow.
const scratch = mkdtempSync(join(tmpdir(), 'devctl-build-'));
try {
  for (const [name, ...args] of [['devctl', 'ls'], ['launcher']]) {
    execFileSync(process.execPath, [join(root, '.ci/code-cache.mjs'), join(dist, `${name}.cjs`), ...args], {
      env: { ...process.env, DEVCTL_HOME: scratch },
      stdio: 'ignore',
    });
  }
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
