import type { Signals } from '../ports/signals.ts';
import type { SessionKey } from '../ports/store.ts';

const keyOf = (key: SessionKey): string => `${key.owner} ${key.id}`;

/** Signals inside this process. `onPoke` is what the worker listens to. */
export interface LocalSignals extends Signals {
  onPoke(listener: (key: SessionKey) => void): void;
}

export function createSignals(): LocalSignals {
  const listeners = new Map<string, Set<() => void>>();
  const pokes: Array<(key: SessionKey) => void> = [];
  return {
    poke: (key) => {
      for (const listener of pokes) listener({ owner: key.owner, id: key.id });
    },
    onPoke: (listener) => void pokes.push(listener),
    changed: (key) => {
      for (const listener of listeners.get(keyOf(key)) ?? []) listener();
    },
    onChange: (key, listener) => {
      const name = keyOf(key);
      const set = listeners.get(name) ?? new Set();
      listeners.set(name, set.add(listener));
      return () => {
        set.delete(listener);
        if (set.size === 0) listeners.delete(name);
      };
    },
  };
}
