import type { Clock } from '../../launcher/ports/clock.ts';

/** Older states are not shown any more. */
const HISTORY_MS = 120_000;

interface State<View> {
  atMs: number;
  view: View | null;
}

/**
 * All resources of one kind: as they are, and as describes see them, which may be a while ago, for each of them and in
 * each look anew.
 */
export class Shelf<Resource extends { id: string }, View> {
  readonly #clock: Clock;
  readonly #lagMs: () => number;
  readonly #look: (resource: Resource) => View;
  readonly #all = new Map<string, Resource>();
  readonly #history = new Map<string, { seq: number; states: State<View>[] }>();
  #count = 0;

  constructor(clock: Clock, lagMs: () => number, look: (resource: Resource) => View) {
    this.#clock = clock;
    this.#lagMs = lagMs;
    this.#look = look;
  }

  /** As they are, oldest first. */
  all(): Resource[] {
    return [...this.#all.values()];
  }

  get(id: string): Resource | undefined {
    return this.#all.get(id);
  }

  add(resource: Resource): void {
    this.#all.set(resource.id, resource);
    this.changed(resource);
  }

  /** What describes will see from now on, sooner or later. */
  changed(resource: Resource): void {
    if (this.#all.has(resource.id)) this.#publish(resource.id, this.view(resource));
  }

  remove(id: string): void {
    if (this.#all.delete(id)) this.#publish(id, null);
  }

  view(resource: Resource): View {
    return structuredClone(this.#look(resource));
  }

  /** As one look sees it now; null where it sees nothing. */
  seen(id: string): View | null {
    const atMs = this.#clock.now() - this.#lagMs();
    const states = this.#history.get(id)?.states ?? [];
    return states.findLast((state) => state.atMs <= atMs)?.view ?? null;
  }

  /** In the order of making. */
  allSeen(): Array<{ id: string; seq: number; view: View }> {
    return [...this.#history].flatMap(([id, { seq }]) => {
      const view = this.seen(id);
      return view === null ? [] : [{ id, seq, view }];
    });
  }

  #publish(id: string, view: View | null): void {
    const nowMs = this.#clock.now();
    let history = this.#history.get(id);
    if (history === undefined) {
      this.#count += 1;
      history = { seq: this.#count, states: [] };
      this.#history.set(id, history);
    }
    const { states } = history;
    states.push({ atMs: nowMs, view });
    while (states.length > 1 && (states[1]?.atMs ?? nowMs) < nowMs - HISTORY_MS) states.shift();
    if (view === null) this.#clearGone(nowMs);
  }

  #clearGone(nowMs: number): void {
    for (const [id, { states }] of this.#history) {
      const last = states.at(-1);
      if (last?.view === null && last.atMs < nowMs - HISTORY_MS) this.#history.delete(id);
    }
  }
}
