import type { SessionKey } from './store.ts';

/**
 * Says "look again" inside one process. A signal may be lost or doubled; nobody may rely on one: they only make things
 * quicker than the due index and the polls would.
 */
export interface Signals {
  /** Asks the controller to reconcile a session now. */
  poke(key: SessionKey): void;
  /** A session record was saved. */
  changed(key: SessionKey): void;
  /** Calls the listener after each save of a session, until the returned function is called. */
  onChange(key: SessionKey, listener: () => void): () => void;
}
