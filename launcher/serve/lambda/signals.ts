import { createSignals } from '../../controllers/signals.ts';
import type { Signals } from '../../ports/signals.ts';
import type { SessionKey } from '../../ports/store.ts';
import type { Telemetry } from '../../ports/telemetry.ts';

/** What a function is told to have it look at a session. */
export interface LookEvent extends SessionKey {
  devctl: 'look';
  /** How often a look has been handed on already. */
  hops?: number;
}

export interface InvokeSignals extends Signals {
  /** Waits until what was said is on its way. Never throws. */
  settle(): Promise<void>;
}

interface UnderWay {
  again: boolean;
  done: Promise<void>;
}

/**
 * Signals where nothing lives on between two requests: "look again" has a function run. Said again while that is on its way, it
 * is said once more; one that is lost is found by the due index, within a minute.
 */
export function createInvokeSignals(invoke: (event: LookEvent) => Promise<void>, telemetry: Telemetry): InvokeSignals {
  const { changed, onChange } = createSignals();
  const underWay = new Map<string, UnderWay>();

  async function say(key: SessionKey, mine: UnderWay): Promise<void> {
    do {
      mine.again = false;
      try {
        await invoke({ devctl: 'look', owner: key.owner, id: key.id });
      } catch (error) {
        telemetry.warn({ op: 'lambda.poke', outcome: 'error', owner: key.owner, sessionId: key.id, detail: String(error) });
        telemetry.count('devctl_lost_pokes_total');
      }
    } while (mine.again);
  }

  return {
    changed,
    onChange,
    poke(key) {
      const name = `${key.owner} ${key.id}`;
      const known = underWay.get(name);
      if (known !== undefined) {
        known.again = true;
        return;
      }
      const mine: UnderWay = { again: false, done: Promise.resolve() };
      underWay.set(name, mine);
      mine.done = say(key, mine).finally(() => underWay.delete(name));
    },
    async settle() {
      await Promise.all([...underWay.values()].map(({ done }) => done));
    },
  };
}
