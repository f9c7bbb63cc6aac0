import type { VirtualClock } from './clock.ts';
import type { Faults } from './faults.ts';
import { SPREADS } from './figures.ts';
import type { Streams } from './random.ts';

/** A notice as EventBridge delivers it. */
export interface AwsEvent {
  version: '0';
  id: string;
  source: 'aws.ec2';
  'detail-type': string;
  account: string;
  region: string;
  time: string;
  resources: string[];
  detail: Record<string, unknown>;
}

type Listener = (event: AwsEvent) => void;

/** EventBridge: late, out of order, now and then twice, now and then never. */
export class EventBus {
  readonly #listeners = new Set<Listener>();
  readonly #clock: VirtualClock;
  readonly #streams: Streams;
  readonly #faults: Faults;
  #count = 0;

  constructor(clock: VirtualClock, streams: Streams, faults: Faults) {
    this.#clock = clock;
    this.#streams = streams;
    this.#faults = faults;
  }

  subscribe(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  emit(type: string, where: { account: string; region: string; resources: string[] }, detail: Record<string, unknown>): void {
    this.#count += 1;
    const event: AwsEvent = {
      version: '0',
      id: `event-${this.#count}`,
      source: 'aws.ec2',
      'detail-type': type,
      ...where,
      time: new Date(this.#clock.now()).toISOString(),
      detail,
    };
    const dice = this.#streams.of('events');
    if (dice.chance(this.#faults.rates.lostPerEvent)) return;
    this.deliver(event);
    if (dice.chance(this.#faults.rates.doubledPerEvent)) this.deliver(event);
  }

  /** On its way once more, for tests that double, forge or delay one. */
  deliver(event: AwsEvent, delayMs = this.#streams.duration('event delay', SPREADS.eventBridge)): void {
    this.#clock.after(delayMs, () => {
      for (const listener of this.#listeners) listener(structuredClone(event));
    });
  }
}
