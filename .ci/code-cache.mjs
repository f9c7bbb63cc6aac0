// Runs a program for a moment and keeps what V8 has made of its text: `node .ci/code-cache.mjs PROGRAM [arguments]`.
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import { Script } from 'node:vm';

const [program, ...args] = process.argv.slice(2);
const base = program.slice(0, -'.cjs'.length);
const text = readFileSync(`${base}.body`, 'latin1');
const script = new Script(text, { filename: `${base}.body` });

process.on('exit', () => {
  const partial = `${base}.cache.${process.pid}`;
  writeFileSync(partial, Buffer.concat([Buffer.from(text.slice(-64)), script.createCachedData()]));
  renameSync(partial, `${base}.cache`);
  // However the program ended: it was run for its start.
  process.exitCode = 0;
});
// One that would go on has started by then.
setTimeout(() => process.exit(), 1_000).unref();
process.argv = [process.execPath, program, ...args];
script.runInThisContext()({}, createRequire(program), { exports: {} }, program, dirname(program));
