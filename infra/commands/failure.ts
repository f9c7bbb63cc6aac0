/** What went wrong, and what to do next. */
export class Failure extends Error {
  override name = 'Failure';
  readonly hint: string;
  constructor(message: string, hint: string, options?: ErrorOptions) {
    super(message, options);
    this.hint = hint;
  }
}
