import type { Heartbeat } from '../launcher/contract/box.ts';

/** What the box is doing, shared by everything in the agent. `change` wakes the control loop, so that the launcher hears at once. */
export class BoxState {
  state: Heartbeat['state'] = 'preparing';
  /** New commands are taken. */
  open = true;
  progress: string | undefined;
  failure: NonNullable<Heartbeat['failure']> | undefined;
  /** Raised at each quiesce: orders that were asked for before one must not open the box after it. */
  quiesceEpoch = 0;
  #listeners: Array<() => void> = [];

  onChange(listener: () => void): void {
    this.#listeners.push(listener);
  }

  change(patch: Partial<Pick<BoxState, 'state' | 'open' | 'progress' | 'failure'>>): void {
    Object.assign(this, patch);
    for (const listener of this.#listeners) listener();
  }
}
