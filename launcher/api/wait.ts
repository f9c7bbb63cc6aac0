import { DevctlError, notFound } from '../contract/errors.ts';
import type { SessionRecord } from '../contract/records.ts';
import { formatDuration } from '../contract/units.ts';
import type { SessionKey } from '../ports/store.ts';
import type { ApiDeps } from './deps.ts';

/** A signal may be lost, or the change be another process's: look again this often. */
const LOOK_MS = 1000;

/** Resolves at the next change of a session, at the latest after `maxMs`, or when the caller goes away. */
export class ChangeWatch {
  readonly #stop: () => void;
  #changed = false;
  #wake: (() => void) | null = null;

  constructor(deps: Pick<ApiDeps, 'signals'>, key: SessionKey) {
    this.#stop = deps.signals.onChange({ owner: key.owner, id: key.id }, () => {
      this.#changed = true;
      this.#wake?.();
    });
  }

  async next(maxMs: number, signal: AbortSignal): Promise<void> {
    if (!this.#changed && !signal.aborted) {
      await new Promise<void>((resolve) => {
        const done = () => {
          clearTimeout(timer);
          signal.removeEventListener('abort', done);
          resolve();
        };
        const timer = setTimeout(done, maxMs);
        signal.addEventListener('abort', done, { once: true });
        this.#wake = done;
      });
      this.#wake = null;
    }
    this.#changed = false;
  }

  close(): void {
    this.#stop();
  }
}

/**
 * Reads a session until `look` gives something.
 * @param look gives undefined to wait on; may throw what the caller is to be told
 * @throws DevctlError timeout, not_found
 */
export async function waitForSession<T>(
  deps: ApiDeps,
  key: SessionKey,
  options: { timeoutMs: number; signal: AbortSignal; what: string },
  look: (session: SessionRecord) => T | undefined | Promise<T | undefined>,
): Promise<T> {
  const timeout = AbortSignal.timeout(options.timeoutMs);
  const signal = AbortSignal.any([options.signal, timeout]);
  const watch = new ChangeWatch(deps, key);
  try {
    for (;;) {
      const session = await deps.store.getSession(key);
      if (session === null) throw notFound('session', `there is no session ${key.id}`);
      const found = await look(session);
      if (found !== undefined) return found;
      if (signal.aborted) {
        const detail = `session ${key.id} was not ${options.what} within ${formatDuration(options.timeoutMs)} (${session.phase})`;
        throw new DevctlError('timeout', detail, { sessionId: key.id });
      }
      await watch.next(LOOK_MS, signal);
    }
  } finally {
    watch.close();
  }
}
