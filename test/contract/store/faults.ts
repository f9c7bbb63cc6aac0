import type { DynamoDBClient } from '@aws-sdk/client-dynamodb';

type Middleware = Parameters<DynamoDBClient['middlewareStack']['add']>[0];

/** What happens to one attempt of one call. `lose`: it is carried out and its answer never comes. */
export type Fault = 'lose' | 'timeout' | 'refuse' | 'throttle' | 'server';

const FAULTS: Record<Exclude<Fault, 'lose'>, () => Error> = {
  timeout: () => Object.assign(new Error('no answer in time'), { name: 'TimeoutError' }),
  refuse: () => Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' }),
  throttle: () =>
    Object.assign(new Error('Rate exceeded'), {
      name: 'ProvisionedThroughputExceededException',
      $fault: 'client',
      $metadata: { httpStatusCode: 400 },
    }),
  server: () => Object.assign(new Error('internal'), { name: 'InternalServerError', $fault: 'server', $metadata: { httpStatusCode: 500 } }),
};

/** Faults between the SDK's retries and the wire, and a record of every attempt. */
export class Faults {
  /** Operations that were attempted: `PutItem`, `GetItem`, … */
  readonly attempts: string[] = [];
  #planned: Array<{ operation: string; fault: Fault }> = [];
  #meanwhile: (() => Promise<unknown>) | null = null;

  readonly middleware: Middleware = (next, context) => async (args) => {
    const operation = String(context['commandName']).replace(/Command$/, '');
    this.attempts.push(operation);
    const at = this.#planned.findIndex((planned) => planned.operation === operation);
    const fault = at < 0 ? null : this.#planned.splice(at, 1)[0]?.fault;
    if (!fault) return next(args);
    if (fault !== 'lose') throw FAULTS[fault]();
    await next(args);
    const meanwhile = this.#meanwhile;
    this.#meanwhile = null;
    await meanwhile?.();
    throw FAULTS.timeout();
  };

  /** The next `times` attempts of `operation` meet `fault`. */
  next(operation: string, fault: Fault, times = 1): void {
    for (let i = 0; i < times; i += 1) this.#planned.push({ operation, fault });
  }

  /** Runs after a call whose answer is lost, before it is sent again: what others do in that time. */
  meanwhile(act: () => Promise<unknown>): void {
    this.#meanwhile = act;
  }

  reset(): void {
    this.attempts.length = 0;
    this.#planned = [];
    this.#meanwhile = null;
  }
}
