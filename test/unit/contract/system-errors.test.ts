import { describe, expect, it } from 'vitest';
import { reasonOf, systemReason } from '../../../launcher/contract/system-errors.ts';

const systemError = (code: unknown) => Object.assign(new Error(`${code}: permission denied, open '/x'`), { code });

describe('the reason of an error', () => {
  it('is in words for a system error, and never its code', () => {
    expect(reasonOf(systemError('EACCES'))).toBe('permission denied');
    expect(systemReason(systemError('ENOSPC'))).toBe('there is no space left');
  });

  it.each([
    ['another error', new Error('boom'), 'boom'],
    ['a code that is not known', systemError('EWEIRD'), "EWEIRD: permission denied, open '/x'"],
    ['a code of another kind', systemError(7), "7: permission denied, open '/x'"],
    ['a name that every object has', systemError('toString'), "toString: permission denied, open '/x'"],
    ['text', 'boom', 'boom'],
    ['nothing', null, 'null'],
  ])('is its own for %s', (_what, error, words) => {
    expect(systemReason(error)).toBeNull();
    expect(reasonOf(error)).toBe(words);
  });
});
