import type * as z from 'zod';

/** The value at a path of what was given; undefined when there is none. */
export function valueAt(input: unknown, path: readonly PropertyKey[]): unknown {
  let value = input;
  for (const part of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, part)) return undefined;
    value = (value as Record<PropertyKey, unknown>)[part];
  }
  return value;
}

/** What is wrong with a value, or what is allowed, in words of ours. */
export function messageOf(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case 'invalid_value':
      return `use ${issue.values.map(String).join(' or ')}`;
    case 'invalid_union':
      return 'options' in issue && Array.isArray(issue['options']) ? `use ${issue['options'].map(String).join(' or ')}` : issue.message;
    case 'invalid_type':
      return `must be ${issue.expected === 'int' ? 'a whole number' : `of type ${issue.expected}`}`;
    case 'too_small':
      return `must have at least ${issue.minimum}`.replace('have at least', isSized(issue.origin) ? 'have at least' : 'be at least');
    case 'too_big':
      return `must have at most ${issue.maximum}`.replace('have at most', isSized(issue.origin) ? 'have at most' : 'be at most');
    default:
      return issue.message;
  }
}

const isSized = (origin: string): boolean => origin === 'string' || origin === 'array' || origin === 'map' || origin === 'set';
