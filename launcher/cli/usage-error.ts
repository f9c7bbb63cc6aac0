/** A command line that is not valid: exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
  constructor(
    message: string,
    /** What to write instead. */
    readonly advice?: string,
  ) {
    super(message);
  }
}
