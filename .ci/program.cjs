// The start of a built program: `PROGRAM_TEXT` is all of it, as the text of one function. V8 needs longer to read that text
// than the program needs to run, so the build keeps what V8 has made of it beside the program (`devctl.cache`). Whatever is
// wrong with that file (missing, damaged, of another text or another Node), the text is read as usual.
const { readFileSync, statSync } = require('node:fs');
const { Script } = require('node:vm');

/* global PROGRAM_TEXT, PROGRAM_MARK */
function keptCode() {
  try {
    const path = __filename.replace(/\.cjs$/, '.cache');
    // A pipe of that name would be waited for.
    if (!statSync(path).isFile()) return undefined;
    const kept = readFileSync(path);
    // One version of Node is built in many ways (other libraries, no ICU), of which V8 knows nothing: its parts tell.
    const node = `${process.platform} ${process.arch} ${Object.values(process.versions).join()}`;
    const head = Buffer.from(`${PROGRAM_MARK} ${node}\n`);
    const middle = (head.length + kept.length) / 2;
    const code = kept.subarray(head.length, middle);
    // V8 looks at its version and at lengths, and a damaged byte may crash it. So the code is there twice: to compare takes no
    // time, while every module of Node that makes checksums takes milliseconds to load.
    return kept.subarray(0, head.length).equals(head) && code.equals(kept.subarray(middle)) ? code : undefined;
  } catch {
    return undefined;
  }
}

const script = new Script(PROGRAM_TEXT, { filename: __filename, cachedData: keptCode() });
script.runInThisContext()(exports, require, module, __filename, __dirname);
