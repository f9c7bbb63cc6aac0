import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canonicalJson } from '../../../launcher/api/idempotency.ts';
import { findJsonAbuse } from '../../../launcher/api/strict-json.ts';

/** Any JSON text: with spaces, and with every character of a key escaped or not. */
const json = fc.tuple(fc.jsonValue({ maxDepth: 8 }), fc.nat(4)).map(([value, indent]) => JSON.stringify(value, null, indent));

describe('strict JSON', () => {
  it('takes what JSON.stringify makes', () => {
    fc.assert(
      fc.property(json, (text) => {
        fc.pre(!text.includes('__proto__'));
        expect(findJsonAbuse(text)).toBeNull();
      }),
    );
  });

  it('finds every key that is given twice, however it is written', () => {
    const escaped = (key: string) => [...key].map((char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`).join('');
    fc.assert(
      fc.property(fc.stringMatching(/^[a-z"\\{}[\]:,]{1,8}$/), json, json, (key, a, b) => {
        fc.pre(!`${a}${b}`.includes('__proto__'));
        expect(findJsonAbuse(`[{${JSON.stringify(key)} : ${a}, "${escaped(key)}":${b}}]`)).toContain('twice');
        expect(findJsonAbuse(`[{${JSON.stringify(key)}:1}, {${JSON.stringify(key)}:1}]`)).toBeNull();
      }),
    );
  });

  it('refuses a prototype and a depth without end', () => {
    expect(findJsonAbuse('{"a":[{"__proto__":1}]}')).toBe('has a field __proto__');
    expect(findJsonAbuse('{"\\u005f_proto__":1}')).toBe('has a field __proto__');
    expect(findJsonAbuse('{"a":"__proto__","b":["__proto__"]}')).toBeNull();
    expect(findJsonAbuse('['.repeat(32) + ']'.repeat(32))).toBeNull();
    expect(findJsonAbuse('['.repeat(33) + ']'.repeat(33))).toBe('is nested deeper than 32');
  });
});

describe('canonical JSON', () => {
  it('is the same for equal values in whatever order', () => {
    const reversed = (value: unknown): unknown => {
      if (Array.isArray(value)) return value.map(reversed);
      if (typeof value !== 'object' || value === null) return value;
      return Object.fromEntries(
        Object.entries(value)
          .reverse()
          .map(([key, field]) => [key, reversed(field)]),
      );
    };
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        fc.pre(!JSON.stringify(value).includes('__proto__'));
        expect(canonicalJson(reversed(value))).toBe(canonicalJson(value));
        expect(JSON.parse(canonicalJson(value))).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
    expect(canonicalJson({ a: undefined, b: 1 })).toBe('{"b":1}');
    expect(canonicalJson(undefined)).toBe('null');
  });
});
