import { StoreUnavailableError } from '../../ports/store.ts';

/** What is read of the errors of the SDK; names of the vendor are known in this file only. */
interface VendorError {
  name?: string;
  message?: string;
  code?: string;
  $metadata?: { attempts?: number };
}

const CONDITION_FAILED = 'ConditionalCheckFailedException';

const vendor = (error: unknown): VendorError => (typeof error === 'object' && error !== null ? (error as VendorError) : {});

export const isConditionFailed = (error: unknown): boolean => vendor(error).name === CONDITION_FAILED;

/** True when the SDK sent the request more than once, so that the write that won may be our own. */
export const wasRetried = (error: unknown): boolean => (vendor(error).$metadata?.attempts ?? 1) > 1;

/** Everything else that a call of the table may end with: no answer, throttled, refused, no such table. */
export function toStoreError(error: unknown, operation: string): StoreUnavailableError {
  const { name, code, message } = vendor(error);
  const what = [code ?? name, message].filter(Boolean).join(': ');
  return new StoreUnavailableError(`the store did not answer ${operation}: ${what || String(error)}`, { cause: error });
}
