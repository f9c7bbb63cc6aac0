/** What is used of dynalite, which has no types: each action with its validation, and the parser of requests. */
declare module 'dynalite/actions/*' {
  import type { TableStore } from './tables.ts';

  type Callback = (error: unknown, answer?: unknown) => void;
  const action: (store: TableStore, request: Record<string, unknown>, done: Callback) => void;
  export default action;
}

declare module 'dynalite/validations/*' {
  const validation: { types: Record<string, unknown>; custom?: (request: Record<string, unknown>) => unknown };
  export default validation;
}

declare module 'dynalite/validations/index.js' {
  const validations: {
    checkTypes(request: unknown, types: Record<string, unknown>): Record<string, unknown>;
    checkValidations(request: Record<string, unknown>, types: Record<string, unknown>, custom: unknown, store: unknown): void;
  };
  export default validations;
}
