import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import { createTokenSchema } from '../../../launcher/contract/api.ts';
import { messageOf, valueAt } from '../../../launcher/contract/issues.ts';

const said = (schema: z.ZodType, value: unknown): string => {
  const issue = schema.safeParse(value).error?.issues[0];
  return issue === undefined ? 'fine' : messageOf(issue);
};

describe('what is wrong with a value', () => {
  it.each([
    [z.enum(['read', 'write']), 'x', 'use read or write'],
    [z.discriminatedUnion('kind', [z.object({ kind: z.literal('a') })]), { kind: 'b' }, 'use a'],
    [z.union([z.string(), z.boolean()]), 1, 'Invalid input'],
    [z.int(), 1.5, 'must be a whole number'],
    [z.string(), 1, 'must be of type string'],
    [z.string().min(1), '', 'must have at least 1'],
    [z.array(z.string()).max(1), ['a', 'b'], 'must have at most 1'],
    [z.number().min(3), 1, 'must be at least 3'],
    [z.number().max(3), 4, 'must be at most 3'],
    [z.string().regex(/a/, 'use an a'), 'b', 'use an a'],
    [createTokenSchema.shape.scopes, [], 'must have at least 1'],
  ] as const)('%#: %s', (schema, value, message) => {
    expect(said(schema, value)).toBe(message);
  });

  it('is found by its path, and nowhere else', () => {
    expect(valueAt({ a: [{ b: 1 }] }, ['a', 0, 'b'])).toBe(1);
    expect(valueAt({ a: null }, ['a', 'b'])).toBeUndefined();
    expect(valueAt('text', ['length'])).toBeUndefined();
    expect(valueAt({}, ['toString'])).toBeUndefined();
  });
});
