import * as z from 'zod';
import { formatDuration, parseDurationMs } from './units.ts';

/** A name that is safe as a path part, a tag, a host label and an argument: no dots, no leading dash. */
const NAME_PATTERN = /^[a-z0-9](?:[a-z0-9-]{0,46}[a-z0-9])?$/;

export const workspaceNameSchema = z
  .string()
  .regex(NAME_PATTERN, 'use 1 to 48 lower-case letters, digits and dashes, beginning and ending with a letter or digit')
  .meta({ description: 'Name of a workspace, unique per owner', example: 'shop' });

export const holdNameSchema = z
  .string()
  .regex(NAME_PATTERN, 'use 1 to 48 lower-case letters, digits and dashes, beginning and ending with a letter or digit')
  .meta({ example: 'build' });

/** An owner: IAM principal on AWS, subject of the token elsewhere. */
export const ownerSchema = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._@:/+=,-]{0,199}$/, 'use 1 to 200 letters, digits and . _ @ : / + = , -')
  .meta({ example: 'dev' });

const idSchema = (prefix: string, example: string) =>
  z
    .string()
    .regex(new RegExp(`^${prefix}_[0-9a-z]{16,32}$`), `use an id that begins with ${prefix}_`)
    .meta({ example });

export const sessionIdSchema = idSchema('ses', 'ses_01k2m3n4p5q6r7s8t9v0wxyz12');
export const workspaceIdSchema = idSchema('ws', 'ws_01k2m3n4p5q6r7s8t9v0wxyz12');
export const tokenIdSchema = idSchema('tok', 'tok_01k2m3n4p5q6r7s8t9v0wxyz12');
export const poolBoxIdSchema = idSchema('pool', 'pool_01k2m3n4p5q6r7s8t9v0wxyz12');
export const snapshotIdSchema = z
  .string()
  .regex(/^snap_[1-9]\d{0,8}$/, 'use a snapshot id such as snap_43')
  .meta({ description: 'Numbered per workspace', example: 'snap_43' });

/** Crockford-like base32, lower case: sorts by time, then random. */
const ID_ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';

/**
 * An id that sorts by its time: 10 characters of milliseconds, 16 of randomness (80 bits), as ULID does.
 * @param random at least 16 bytes of cryptographic randomness
 */
export function makeId(prefix: 'ses' | 'ws' | 'tok' | 'pool' | 'req' | 'evt', nowMs: number, random: Uint8Array): string {
  let time = '';
  for (let rest = nowMs, i = 0; i < 10; i += 1) {
    time = ID_ALPHABET[rest % 32] + time;
    rest = Math.floor(rest / 32);
  }
  let tail = '';
  for (let i = 0; i < 16; i += 1) tail += ID_ALPHABET[(random[i] as number) % 32];
  return `${prefix}_${time}${tail}`;
}

/** The time in an id that makeId made, in milliseconds; null when it is not such an id. */
export function idTimeMs(id: string): number | null {
  const match = /^[a-z]+_([0-9a-z]{10})[0-9a-z]{16}$/.exec(id);
  if (match === null) return null;
  let ms = 0;
  for (const char of match[1] as string) ms = ms * 32 + ID_ALPHABET.indexOf(char);
  return ms;
}

/** A duration as people write it, checked against its range; the output is milliseconds. */
export function durationSchema(minMs: number, maxMs: number, example: string) {
  const range = `${formatDuration(minMs)} … ${formatDuration(maxMs)}`;
  return z
    .string()
    .transform((text, ctx) => {
      const ms = parseDurationMs(text);
      if (ms === null) {
        const problem = /^\d+$/.test(text) ? `has no unit: write ${text}m or ${text}h` : 'is not a duration: write 30m or 2h';
        ctx.addIssue({ code: 'custom', message: `${problem} (${range})` });
        return z.NEVER;
      }
      if (ms < minMs || ms > maxMs) {
        ctx.addIssue({ code: 'custom', message: `is out of range (${range})` });
        return z.NEVER;
      }
      return ms;
    })
    .meta({ description: `A duration with its unit, ${range}`, example });
}

/** Hardware classes; what a provider makes of them is its own matter. */
export const SIZES = {
  small: { cpus: 1, memoryMiB: 2048 },
  medium: { cpus: 2, memoryMiB: 4096 },
  large: { cpus: 4, memoryMiB: 8192 },
  xlarge: { cpus: 8, memoryMiB: 16384 },
} as const;
export type Size = keyof typeof SIZES;
export const sizeSchema = z.enum(Object.keys(SIZES) as [Size, ...Size[]]).meta({ description: 'Class of machine', example: 'medium' });

/** How a machine is bought where there is a market: what may be taken away is cheaper. */
export const POLICIES = ['spot', 'spot-preferred', 'on-demand'] as const;
export type Policy = (typeof POLICIES)[number];
export const policySchema = z.enum(POLICIES).meta({
  description:
    'spot: only machines that may be taken away; spot-preferred: on demand where there is no such one. Means nothing where machines are not bought',
  example: 'spot-preferred',
});

export const ARCHITECTURES = ['x86_64', 'arm64'] as const;
export type Architecture = (typeof ARCHITECTURES)[number];
export const architectureSchema = z.enum(ARCHITECTURES).meta({ description: 'Processor of the machine', example: 'arm64' });

export const INSTANCE_TYPES_MAX = 20;
export const instanceTypeSchema = z
  .string()
  .regex(/^[a-z][a-z0-9-]{0,30}\.[a-z0-9-]{1,20}$/, 'use the name of an instance type such as m7a.large')
  .meta({ example: 'm7a.large' });

/**
 * A git address that a box may clone. Only https, http, ssh and the scp form: no local paths, no remote helpers (`ext::`),
 * no credentials (they would end up on disk), nothing that git could take for an option.
 */
export const gitUrlSchema = z
  .string()
  .max(2000)
  .refine((url) => /^(?:https?|ssh):\/\/[^\s]+$/i.test(url) || /^[\w.-]+@[A-Za-z0-9][\w.-]*:[^\s:][^\s]*$/.test(url), {
    message: 'use https://host/path, ssh://host/path or user@host:path',
  })
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is refused
  .refine((url) => !/[\u0000-\u0020\u007f]|:\/\/-|@-/.test(url), { message: 'has spaces, control characters or a leading dash' })
  .refine((url) => !/^https?:\/\/[^/]*@/i.test(url), {
    message: 'must not carry a user or password: use a credential helper in the box',
  })
  .refine((url) => !/^ssh:\/\/[^/@]*:[^/@]*@/i.test(url), { message: 'must not carry a password: use a key in the box' })
  .meta({ example: 'https://github.com/honojs/hono' });

export const gitRefSchema = z
  .string()
  .regex(/^[A-Za-z0-9_][A-Za-z0-9._/-]{0,199}$/, 'use a branch or tag name that does not begin with a dash')
  .refine((ref) => !ref.includes('..'), { message: 'must not have ".."' })
  .meta({ example: 'main' });

export const isoTimeSchema = z.iso.datetime().meta({ example: '2026-02-03T14:02:11.120Z' });
