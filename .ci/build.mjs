// Builds the three programs, each as one bundled file: the CLI, the launcher that it starts, and the agent of a box.
import { chmodSync, readFileSync } from 'node:fs';
import { build } from 'esbuild';

const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
const root = new URL('..', import.meta.url).pathname;

// What cannot be bundled: native code, found in node_modules at run time.
const native = ['@lydell/node-pty', 'classic-level'];

await build({
  absWorkingDir: root,
  entryPoints: { devctl: 'launcher/cli/main.ts', launcher: 'launcher/main.ts', agent: 'agent-bootstrap/main.ts' },
  outdir: 'dist',
  outExtension: { '.js': '.cjs' },
  bundle: true,
  minify: true,
  keepNames: true,
  platform: 'node',
  target: 'node20',
  format: 'cjs',
  banner: { js: '#!/usr/bin/env node' },
  define: { 'process.env.DEVCTL_BUILD_VERSION': JSON.stringify(version) },
  external: native,
  // ES modules where a package has them: less of them is kept.
  mainFields: ['module', 'main'],
  logLevel: 'warning',
});
chmodSync(new URL('../dist/devctl.cjs', import.meta.url), 0o755);
