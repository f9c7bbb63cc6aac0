import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ArchivePolicy, cleanPath } from '../../../agent-bootstrap/archive-policy.ts';

const LIMITS = { archiveBytes: 1_000, archiveFiles: 5, archiveRatio: 10, archiveRatioFloorBytes: 10, stopGraceMs: 1, orphanLimitMs: 1 };
const policy = () => new ArchivePolicy(LIMITS);

describe('kinds of entries', () => {
  it('that are not known, and sparse files, are refused: half of them would look whole', () => {
    const sparse = { 'GNU.sparse.major': '1' };
    expect(() => policy().admit({ name: 'a', type: null })).toThrow(/something unknown/);
    expect(() => policy().admit({ name: 'a', type: 'file', pax: sparse })).toThrow(/without --sparse/);
    expect(policy().admit({ name: 'a', type: 'file', pax: { mtime: '1' } })).toMatchObject({ kind: 'file' });
  });
});

describe('names in an archive', () => {
  it.each([
    ['a', 'a'],
    ['./a/./b/', 'a/b'],
    ['./', ''],
    ['a//b', 'a/b'],
    ['..a/b..', '..a/b..'],
  ])('%j is %j', (name, path) => expect(cleanPath(name)).toBe(path));

  it.each(['/a', '../a', 'a/../../b', 'a/..', 'a\0b', '//', `${'x'.repeat(256)}`, 'a/'.repeat(2_100)])('%j is refused', (name) =>
    expect(() => cleanPath(name)).toThrow(expect.objectContaining({ code: 'invalid_archive' })),
  );

  it('whatever the name, it stays in its folder or is refused', () => {
    const part = fc.constantFrom('..', '.', '', 'a', '...', 'b c', '..a');
    fc.assert(
      fc.property(fc.array(part, { maxLength: 8 }), (parts) => {
        try {
          const path = cleanPath(parts.join('/'));
          expect(new URL(path, 'file:///in/').pathname.startsWith('/in/')).toBe(true);
          expect(path.startsWith('/')).toBe(false);
        } catch (error) {
          expect(error).toMatchObject({ code: 'invalid_archive' });
        }
      }),
    );
  });
});

describe('links in an archive', () => {
  const link = (name: string, linkname: string) => policy().admit({ name, type: 'symlink', linkname });
  it.each([
    ['a', 'b'],
    ['a/b', '../c'],
    ['a/b/c', '../../d/e'],
    ['a', './b/c'],
  ])('%s to %s is fine', (name, target) => expect(link(name, target)).toMatchObject({ kind: 'symlink', target }));
  it.each([
    ['a', '..'],
    ['a', '../b'],
    ['a/b', '../../c'],
    ['a/b', 'c/../d'],
    ['a', '/etc'],
    ['a', ''],
    ['a/b', '.././../c'],
  ])('%s to %s is refused', (name, target) =>
    expect(() => link(name, target)).toThrow(expect.objectContaining({ code: 'invalid_archive' })),
  );

  it('a hard link may lead to another one, and not to itself', () => {
    const one = policy();
    one.admit({ name: 'file', size: 1 });
    one.admit({ name: 'same', type: 'link', linkname: 'file' });
    expect(one.admit({ name: 'again', type: 'link', linkname: 'same' })).toMatchObject({ kind: 'hardlink', from: 'same' });
    expect(() => one.admit({ name: 'same', type: 'link', linkname: 'same' })).toThrow(/hard link/);
  });

  it('a hard link needs a file that came before it', () => {
    const one = policy();
    one.admit({ name: 'dir/file', size: 1 });
    expect(one.admit({ name: 'same', type: 'link', linkname: './dir/file' })).toMatchObject({ kind: 'hardlink', from: 'dir/file' });
    expect(() => one.admit({ name: 'other', type: 'link', linkname: 'dir' })).toThrow(/hard link/);
    one.admit({ name: 'dir/file', type: 'symlink', linkname: 'x' });
    expect(() => one.admit({ name: 'third', type: 'link', linkname: 'dir/file' })).toThrow(/hard link/);
  });
});

describe('what an archive may hold', () => {
  it('loses setuid and write for strangers is kept as it is', () => {
    expect(policy().admit({ name: 'a', mode: 0o6755, size: 1 })).toMatchObject({ mode: 0o755 });
    expect(policy().admit({ name: 'd/', type: 'directory', mode: 0o7000 })).toMatchObject({ kind: 'folder', path: 'd', mode: 0o700 });
  });
  it.each(['character-device', 'block-device', 'fifo', 'socket-of-some-kind'])('no %s', (type) =>
    expect(() => policy().admit({ name: 'a', type })).toThrow(/only files, folders and links/),
  );
  it('no more entries and bytes than are allowed', () => {
    const many = policy();
    for (let index = 0; index < 5; index += 1) many.admit({ name: `f${index}`, size: 1 });
    expect(() => many.admit({ name: 'f5', size: 1 })).toThrow(expect.objectContaining({ code: 'too_large' }));
    expect(() => policy().admit({ name: 'big', size: 1_001 })).toThrow(expect.objectContaining({ code: 'too_large' }));
  });
});
