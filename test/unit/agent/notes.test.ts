import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { readNote, writeNote } from '../../../agent-bootstrap/notes.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'devctl-notes-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

it('a note is what was written last, for the agent alone, and nothing is beside it', () => {
  const path = join(folder, 'commands.json');
  expect(readNote(path)).toBeNull();
  writeNote(path, [{ pid: 7 }]);
  writeNote(path, { port: 1 });
  expect(readNote(path)).toEqual({ port: 1 });
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(readdirSync(folder)).toEqual(['commands.json']);
});

it('a note that was never finished leaves the one before it, and one that is cut off is none', () => {
  const path = join(folder, 'egress.json');
  writeNote(path, ['a.example']);
  writeFileSync(`${path}.new`, '["b.exa');
  expect(readNote(path)).toEqual(['a.example']);
  writeFileSync(path, '["a.exa');
  expect(readNote(path)).toBeNull();
});

it('a note that cannot be looked at is not taken for none', () => {
  mkdirSync(join(folder, 'egress.json'));
  expect(() => readNote(join(folder, 'egress.json'))).toThrow(/EISDIR/);
});
