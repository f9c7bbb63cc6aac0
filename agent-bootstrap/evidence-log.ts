import type { Heartbeat } from '../launcher/contract/box.ts';
import { monotonicMs } from './monotonic.ts';
import type { SecretMask } from './secret-mask.ts';

type BoxEvidence = Heartbeat['evidence'][number];
const DETAIL_MAX = 200;

/** The latest sign of work of each kind, by a clock that cannot jump. */
export class EvidenceLog {
  readonly #mask: Pick<SecretMask, 'text'>;
  #latest = new Map<BoxEvidence['kind'], { atMs: number; detail: string }>();

  constructor(mask: Pick<SecretMask, 'text'>) {
    this.#mask = mask;
  }

  note(kind: BoxEvidence['kind'], detail: string): void {
    // Masked before it is cut: nobody knows half of a secret again.
    this.#latest.set(kind, { atMs: monotonicMs(), detail: this.#mask.text(detail).slice(0, DETAIL_MAX) });
  }

  report(): BoxEvidence[] {
    const now = monotonicMs();
    return [...this.#latest].map(([kind, { atMs, detail }]) => ({ kind, agoMs: Math.max(0, Math.round(now - atMs)), detail }));
  }
}
