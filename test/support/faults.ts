import type { Clock, Random } from '../../launcher/ports/clock.ts';
import { ComputeError, type ComputeErrorKind } from '../../launcher/ports/compute.ts';
import { StoreUnavailableError } from '../../launcher/ports/store.ts';
import type { LogFields, Telemetry } from '../../launcher/ports/telemetry.ts';
import { noAnswer } from '../sim/errors.ts';

/** A clock that moves only when it is told to; it may go backwards. */
export class ManualClock implements Clock {
  nowMs: number;
  constructor(nowMs = Date.UTC(2026, 1, 3, 14)) {
    this.nowMs = nowMs;
  }
  now = (): number => this.nowMs;
  advance(ms: number): void {
    this.nowMs += ms;
  }
}

/** Random that is the same for the same seed (mulberry32). */
export class SeededRandom implements Random {
  #state: number;
  constructor(seed: number) {
    this.#state = seed >>> 0;
  }
  /** 0 ≤ x < 1 */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  }
  below(limit: number): number {
    return Math.floor(this.next() * limit);
  }
  chance(probability: number): boolean {
    return this.next() < probability;
  }
  pick<T>(items: readonly T[]): T {
    if (items.length === 0) throw new Error('nothing to pick from');
    return items[this.below(items.length)] as T;
  }
  bytes(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.below(256));
  }
}

/** Nobody listens, but what was said can be looked at. */
export class RecordingTelemetry implements Telemetry {
  readonly lines: LogFields[] = [];
  info(): void {}
  warn = (fields: LogFields): void => void this.lines.push(fields);
  error = (fields: LogFields): void => void this.lines.push(fields);
  count(): void {}
  observe(): void {}
  gauge(): void {}
}

/** The process has died here. Nothing may handle it: whoever catches it finds every later call dead, too. */
export class CrashError extends Error {
  override readonly name = 'CrashError';
}

export type FaultMode =
  /** The process dies before the call is made. */
  | 'before'
  /** The call is made, then the process dies. */
  | 'after'
  /** The call is made, and its answer is lost: the caller gets an error that may pass. */
  | 'lost';

/**
 * One life of the launcher: every call of its ports goes through here and is counted. Of one of them it may die; from then
 * on all calls fail, also those that were under way.
 */
export class Life {
  dead = false;
  calls = 0;
  /** What was called, in order. */
  readonly trace: string[] = [];
  /** Asked before each call; a mode makes that call go wrong. */
  fault: (label: string, index: number) => FaultMode | null = () => null;
  /** Called before each call; for tests that hold one back. */
  beforeCall: (label: string) => Promise<void> | undefined = () => undefined;

  /** The port, with every method going through this life. */
  wrap<T extends object>(name: string, port: T): T {
    return new Proxy(port, {
      get: (target, property) => {
        const value: unknown = Reflect.get(target, property);
        if (typeof value !== 'function') return value;
        return (...args: unknown[]) => this.#call(`${name}.${String(property)}`, () => value.apply(target, args) as Promise<unknown>);
      },
    });
  }

  async #call(label: string, run: () => Promise<unknown>): Promise<unknown> {
    this.#assertAlive(label);
    const held = this.beforeCall(label);
    if (held !== undefined) await held;
    this.calls += 1;
    this.trace.push(label);
    const mode = this.fault(label, this.calls);
    if (mode === 'before') this.#die(label);
    const result = await run();
    this.#assertAlive(label);
    if (mode === 'after') this.#die(label);
    if (mode === 'lost') throw lostAnswer(label);
    return result;
  }

  #assertAlive(label: string): void {
    if (this.dead) throw new CrashError(`dead before ${label}`);
  }

  #die(label: string): never {
    this.dead = true;
    throw new CrashError(`died at ${label}`);
  }
}

function lostAnswer(label: string): Error {
  if (label.startsWith('store.')) return new StoreUnavailableError(`no answer of ${label}`);
  if (label.startsWith('ec2.') || label.startsWith('ssm.')) return noAnswer('reset');
  return new ComputeError('transient', `no answer of ${label}`);
}

/** Holds a life back before its n-th call of this name. */
export function holdAt(life: Life, label: string, nth = 1): { reached: Promise<void>; go(): void } {
  let seen = 0;
  let reach: () => void = () => {};
  let open: () => void = () => {};
  const reached = new Promise<void>((resolve) => {
    reach = resolve;
  });
  const gate = new Promise<void>((resolve) => {
    open = resolve;
  });
  life.beforeCall = (name) => {
    if (name !== label) return undefined;
    seen += 1;
    if (seen !== nth) return undefined;
    reach();
    return gate;
  };
  return { reached, go: () => open() };
}

/** What a provider is told to do wrong. */
export interface ComputeFault {
  op: string;
  kind?: ComputeErrorKind;
  /** `lost`: done, but the answer is an error. `hang`: never answers. @default refused */
  how?: 'refused' | 'lost' | 'hang';
  /** How many calls it is for. @default 1 */
  times?: number;
}

/** Faults in the order in which they were asked for, each used up after its number of calls. */
export class FaultQueue {
  #faults: Array<Required<ComputeFault>> = [];

  add(fault: ComputeFault): void {
    this.#faults.push({ kind: 'transient', how: 'refused', times: 1, ...fault });
  }

  clear(): void {
    this.#faults = [];
  }

  /** Runs a call of a provider with the next fault for it, if there is one. */
  async around<T>(op: string, run: () => T): Promise<T> {
    const fault = this.#faults.find((item) => item.op === op && item.times > 0);
    if (fault === undefined) return run();
    fault.times -= 1;
    if (fault.how === 'hang') return new Promise<never>(() => {});
    if (fault.how === 'lost') run();
    throw new ComputeError(fault.kind, `${op}: ${fault.kind} (as told)`);
  }
}
