import type { Names } from '../names.ts';
import type { Account } from './account.ts';
import { QueryError, query, textIn } from './query.ts';
import type { Surroundings } from './terminal.ts';

/** Of a stack whose first creation failed: it can only be deleted, and the CDK deletes it (`isCreationFailure` in its command line). */
export const isFailedCreation = (status: string): boolean => status === 'ROLLBACK_COMPLETE' || status === 'ROLLBACK_FAILED';

/**
 * A stack is protected from the moment when its creation begins. When that fails the CDK wants to delete what is left before it tries
 * again, and CloudFormation refuses that. Nothing works in such a stack, so that the protection protects nothing; the new one has its own.
 */
export async function liftFailedCreation(account: Account, { stack }: Pick<Names, 'stack'>, say: Surroundings['say']): Promise<void> {
  let xml: string;
  try {
    xml = await query(account.query, 'cloudformation', { Action: 'DescribeStacks', StackName: stack });
  } catch (error) {
    // So says CloudFormation of one that is not there.
    if (error instanceof QueryError && error.code === 'ValidationError') return;
    throw error;
  }
  const status = textIn(xml, 'StackStatus') ?? '';
  const isProtected = textIn(xml, 'EnableTerminationProtection') !== 'false';
  if (!isProtected || !(isFailedCreation(status) || status === 'REVIEW_IN_PROGRESS')) return;
  say(`stack ${stack} is ${status}, as an earlier deploy left it: its protection is lifted, and it is made anew`);
  await query(account.query, 'cloudformation', {
    Action: 'UpdateTerminationProtection',
    StackName: stack,
    EnableTerminationProtection: 'false',
  });
}
