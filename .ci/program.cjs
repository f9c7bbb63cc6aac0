#!/usr/bin/env node
// Every program of dist is this file, and runs the text beside it (`devctl.body`) with what V8 has made of it before
// (`devctl.cache`), which halves the time to start. The mark says that both are of one build; without it, or with another
// version of Node, the text is compiled as usual.
const { readFileSync } = require('node:fs');
const { Script } = require('node:vm');

const MARK_LENGTH = 64;
const base = __filename.slice(0, -'.cjs'.length);

function cacheOf(text) {
  try {
    const cache = readFileSync(`${base}.cache`);
    return cache.latin1Slice(0, MARK_LENGTH) === text.slice(-MARK_LENGTH) ? cache.subarray(MARK_LENGTH) : undefined;
  } catch {
    return undefined;
  }
}

// The text is ASCII.
const text = readFileSync(`${base}.body`, 'latin1');
const script = new Script(text, { filename: `${base}.body`, cachedData: cacheOf(text) });
script.runInThisContext()(exports, require, module, __filename, __dirname);
