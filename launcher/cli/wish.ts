import type { CreateSessionInput } from '../contract/api.ts';
import type { FlagKey, FlagValues } from './flags.ts';
import { UsageError } from './usage-error.ts';

type Wish = Omit<CreateSessionInput, 'workspace' | 'source' | 'allowSetup'>;

/** Flags that say what box a session gets, and for how long. */
export const WISH_FLAGS = [
  'size',
  'policy',
  'type',
  'arch',
  'persistent',
  'secret',
  'aws',
  'idle',
  'max',
  'network',
] as const satisfies readonly FlagKey[];

/** Under which flag a person knows a field of the request. */
export const WISH_FIELDS = {
  idleTtl: '--idle',
  maxTtl: '--max',
  size: '--size',
  instanceTypes: '--type',
  policy: '--policy',
  arch: '--arch',
  secrets: '--secret',
};

/** What the flags say of it; the table of flags has looked at those with a choice. */
export function wishOf({ size, policy, type, arch, persistent, secret, aws, idle, max, network }: FlagValues): Wish {
  return {
    ...(size !== undefined && { size: size as NonNullable<Wish['size']> }),
    ...(policy !== undefined && { policy: policy as NonNullable<Wish['policy']> }),
    ...(type !== undefined && { instanceTypes: type.flatMap((words) => words.split(',')) }),
    ...(arch !== undefined && { arch: arch as NonNullable<Wish['arch']> }),
    ...(persistent !== undefined && { persistent }),
    ...(secret !== undefined && { secrets: secret.map(referenceOf) }),
    ...(aws !== undefined && { awsCredentials: aws }),
    ...(idle !== undefined && { idleTtl: idle }),
    ...(max !== undefined && { maxTtl: max }),
    ...(network !== undefined && { network }),
  };
}

/** What was given is not repeated: it may be the secret itself. */
function referenceOf(text: string): NonNullable<Wish['secrets']>[number] {
  const at = text.indexOf('=');
  if (at < 1)
    throw new UsageError('--secret has no name or no reference', 'write --secret NAME=ARN, with the ARN of a secret in Secrets Manager');
  return { name: text.slice(0, at), valueFrom: text.slice(at + 1) };
}
