import type { Heartbeat } from '../launcher/contract/box.ts';
import { monotonicMs } from './monotonic.ts';

type BoxEvidence = Heartbeat['evidence'][number];
const DETAIL_MAX = 200;

/** The latest sign of work of each kind, by a clock that cannot jump. */
export class EvidenceLog {
  #latest = new Map<BoxEvidence['kind'], { atMs: number; detail: string }>();

  note(kind: BoxEvidence['kind'], detail: string): void {
    this.#latest.set(kind, { atMs: monotonicMs(), detail: detail.slice(0, DETAIL_MAX) });
  }

  report(): BoxEvidence[] {
    const now = monotonicMs();
    return [...this.#latest].map(([kind, { atMs, detail }]) => ({ kind, agoMs: Math.max(0, Math.round(now - atMs)), detail }));
  }
}
