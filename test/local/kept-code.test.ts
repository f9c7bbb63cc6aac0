import { execFile, execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DEVCTL } from './cli-harness.ts';

const VERSION = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')).version as string;
const cacheOf = (program: string): string => program.replace(/cjs$/, 'cache');

/** Loaded before the program: tells what it gave to V8, and whether V8 took it. */
const SPY = `
const vm = require('node:vm');
vm.Script = class extends vm.Script {
  constructor(text, options) {
    super(text, options);
    process.stderr.write(options.cachedData === undefined ? 'none' : this.cachedDataRejected ? 'rejected' : 'used');
  }
};`;

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'devctl-kept-'));
  writeFileSync(join(dir, 'spy.cjs'), SPY);
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

async function version(program: string, nodeFlags: string[] = []): Promise<{ stdout: string; stderr: string }> {
  return promisify(execFile)(process.execPath, [...nodeFlags, '--require', join(dir, 'spy.cjs'), program, '--version']);
}

/** A copy of the program with its kept code changed. */
function copyWith(change: (kept: Buffer) => Buffer | null): string {
  const program = join(dir, basename(DEVCTL));
  copyFileSync(DEVCTL, program);
  const kept = change(readFileSync(cacheOf(DEVCTL)));
  if (kept !== null) writeFileSync(cacheOf(program), kept);
  return program;
}

const flipped = (kept: Buffer, at: number): Buffer => {
  kept.writeUInt8(kept.readUInt8(at) ^ 0x55, at);
  return kept;
};
/** With another word in its first line: mark, system, processor, versions of Node and its parts. */
const withWord = (kept: Buffer, at: number, change: (word: string) => string): Buffer => {
  const end = kept.indexOf('\n');
  const words = kept.toString('latin1', 0, end).split(' ');
  words[at] = change(words[at] ?? '');
  return Buffer.concat([Buffer.from(words.join(' ')), kept.subarray(end)]);
};

describe('the kept code of a program', () => {
  it('is used, where it was built and in a copy', async () => {
    const answer = { stdout: `${VERSION}\n`, stderr: 'used' };
    expect(await version(DEVCTL)).toEqual(answer);
    expect(await version(copyWith((kept) => kept))).toEqual(answer);
  });

  it.each<[what: string, change: (kept: Buffer) => Buffer | null]>([
    ['missing', () => null],
    ['empty', () => Buffer.alloc(0)],
    ['cut off', (kept) => kept.subarray(0, kept.length - 1000)],
    ['cut off by an even number in both halves', (kept) => kept.subarray(0, kept.length / 2)],
    ['all zero', (kept) => Buffer.alloc(kept.length)],
    ['damaged at its begin', (kept) => flipped(kept, 200)],
    ['damaged in its middle', (kept) => flipped(kept, Math.floor(kept.length / 4))],
    ['damaged at its end', (kept) => flipped(kept, kept.length - 100)],
    ['that of another build', (kept) => withWord(kept, 0, (mark) => mark.split('').reverse().join(''))],
    ['that of another system', (kept) => withWord(kept, 1, () => 'darwin')],
    ['that of another processor', (kept) => withWord(kept, 2, () => 'mips')],
    ['that of another Node', (kept) => withWord(kept, 3, (versions) => versions.replace(process.versions.node, '20.0.0'))],
    [
      'that of the same Node with another part',
      (kept) => withWord(kept, 3, (versions) => versions.replace(process.versions.zlib ?? '', '0')),
    ],
  ])('is ignored when it is %s', async (_, change) => {
    expect(await version(copyWith(change))).toEqual({ stdout: `${VERSION}\n`, stderr: 'none' });
  });

  it.each([
    ['a pipe', (path: string) => void execFileSync('sh', ['-c', 'mkfifo "$1"', 'sh', path])],
    ['a folder', (path: string) => mkdirSync(path)],
  ])('is ignored when %s is in its place', async (_, make) => {
    const program = copyWith(() => null);
    make(cacheOf(program));
    expect(await version(program)).toEqual({ stdout: `${VERSION}\n`, stderr: 'none' });
  });

  it('is left by V8 when it runs with other settings than it was made with', async () => {
    expect(await version(DEVCTL, ['--no-lazy'])).toEqual({ stdout: `${VERSION}\n`, stderr: 'rejected' });
  });
});
