import { UsageError } from './usage-error.ts';

/** A count from a flag. */
export function wholeNumber(text: string, name: string, min: number, max: number): number {
  const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isNaN(value) || value < min || value > max)
    throw new UsageError(`${name} ${JSON.stringify(text.slice(0, 80))} is not a number from ${min} to ${max}`);
  return value;
}
