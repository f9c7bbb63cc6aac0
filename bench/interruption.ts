let interrupted = false;

/**
 * Ctrl-C, or the end of a time limit, makes the bench stop at the next go, so that every part still clears up behind itself.
 * Launcher and engine have process groups of their own, and are ended by the part that started them.
 */
export function watchSignals(): void {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      interrupted = true;
      process.exitCode = 130;
    });
  }
}

export const isInterrupted = (): boolean => interrupted;

/** @throws Error when the bench is to end */
export function assertGoingOn(): void {
  if (interrupted) throw new Error('interrupted');
}
