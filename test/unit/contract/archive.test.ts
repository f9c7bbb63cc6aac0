import { describe, expect, it } from 'vitest';
import { entryParts, linkStaysWithin, nameFault } from '../../../launcher/contract/archive.ts';

describe('the name of an archive entry', () => {
  it('is its parts', () => {
    expect(entryParts('./a//b/.')).toEqual(['a', 'b']);
    expect(entryParts('.')).toEqual([]);
  });

  it.each([
    ['a/b', null],
    ['..a/b..', null],
    [`${'é'.repeat(127)}/x`, null],
    ['/a', 'is an absolute path'],
    ['a\0b', 'has a NUL in its name'],
    ['a/../b', 'leaves its folder with ..'],
    ['é'.repeat(128), 'has too long a name'],
    ['abc/'.repeat(1024), null],
    ['abc/'.repeat(1025), 'has too long a name'],
  ])('%# is judged', (name, fault) => expect(nameFault(name)).toBe(fault));
});

describe('a link', () => {
  it.each([
    ['a/b', 0, true],
    ['.', 0, true],
    ['../x', 1, true],
    ['..', 1, true],
    ['../x', 0, false],
    ['../..', 1, false],
    ['a/../../x', 1, false],
    ['', 0, false],
    ['/etc', 3, false],
    ['a\0', 0, false],
  ])('to %j, %i folders down, stays within: %j', (target, depth, stays) => expect(linkStaysWithin(target, depth)).toBe(stays));
});
