/** By then a request that was just made is on its way. */
const AFTER_MS = 1;

/** Loads modules while the answer to a request is waited for. A failure is for the one who needs them then. */
export function meanwhile(load: () => Promise<unknown>): void {
  setTimeout(() => void load().catch(() => undefined), AFTER_MS).unref();
}
