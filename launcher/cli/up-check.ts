import { type CreateSessionInput, createSessionSchema, waitQuerySchema } from '../contract/api.ts';
import { workspaceNameSchema } from '../contract/fields.ts';
import type { FlagValues } from './flags.ts';
import { check } from './validate.ts';
import { WISH_FIELDS } from './wish.ts';

const FIELD_FLAGS = {
  workspace: '--name',
  ...WISH_FIELDS,
  timeout: '--timeout',
  'source.url': 'the address',
  'source.ref': '--ref',
};

/** Looks at what a person wrote for `up`. @throws UsageError which word is wrong, and what to write */
export function checkUp(flags: FlagValues, body: Omit<CreateSessionInput, 'workspace'>): void {
  if (flags.name !== undefined) check(workspaceNameSchema, flags.name, { '': '--name' });
  check(createSessionSchema, { ...body, workspace: flags.name ?? 'x' }, FIELD_FLAGS);
  if (flags.timeout !== undefined) check(waitQuerySchema, { timeout: flags.timeout }, FIELD_FLAGS);
}
