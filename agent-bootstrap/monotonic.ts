/** Milliseconds that only go forward, whatever happens to the clock of the machine. */
export const monotonicMs = (): number => performance.now();
