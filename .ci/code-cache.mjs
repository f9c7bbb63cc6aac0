// Runs a program of dist to its end and writes what V8 has made of its text: `node .ci/code-cache.mjs FILE PROGRAM [words]`.
import { writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import vm from 'node:vm';

const [file, program, ...words] = process.argv.slice(2);
let script;
vm.Script = class extends vm.Script {
  constructor(...args) {
    super(...args);
    script = this;
  }
};
process.on('exit', () => {
  writeFileSync(file, script.createCachedData());
  // However the program ended: it was run for its start.
  process.exitCode = 0;
});
process.argv = [process.execPath, program, ...words];
createRequire(program)(program);
