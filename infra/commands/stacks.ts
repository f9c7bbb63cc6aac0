import { QueryError, type QueryOptions, query, textIn } from './query.ts';

export interface StackState {
  id: string;
  /** As CloudFormation calls it: CREATE_COMPLETE. */
  status: string;
  reason: string;
}

/** A stack by its name, or by its id, by which one is found also when it has gone. Null without one. @throws QueryError, Failure */
export async function describeStack(options: QueryOptions, stack: string): Promise<StackState | null> {
  try {
    const xml = await query(options, 'cloudformation', { Action: 'DescribeStacks', StackName: stack });
    const [id, status] = [textIn(xml, 'StackId'), textIn(xml, 'StackStatus')];
    return id === undefined || status === undefined ? null : { id, status, reason: textIn(xml, 'StackStatusReason') ?? '' };
  } catch (error) {
    // So says CloudFormation of one that is not there.
    if (error instanceof QueryError && error.code === 'ValidationError') return null;
    throw error;
  }
}
