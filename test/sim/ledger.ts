import type { Clock } from '../../launcher/ports/clock.ts';

export interface Call {
  /** Counted from 1 over all calls. */
  n: number;
  op: string;
  input: unknown;
  atMs: number;
  /** Null while it is under way. */
  endedAtMs: number | null;
  /** `ok`, the code of AWS, or `lost` when it was done and the caller does not know. */
  outcome: string | null;
}

export const isMutating = (op: string): boolean => !/^(describe|get)/.test(op);

/** Everything that was asked of AWS, in order. */
export class Ledger {
  readonly calls: Call[] = [];
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  begin(op: string, input: unknown): Call {
    const call: Call = {
      n: this.calls.length + 1,
      op,
      input: structuredClone(input),
      atMs: this.#clock.now(),
      endedAtMs: null,
      outcome: null,
    };
    this.calls.push(call);
    return call;
  }

  end(call: Call, outcome: string): void {
    call.endedAtMs = this.#clock.now();
    call.outcome = outcome;
  }

  of(op: string): Call[] {
    return this.calls.filter((call) => call.op === op);
  }

  get mutating(): Call[] {
    return this.calls.filter((call) => isMutating(call.op));
  }

  get describing(): Call[] {
    return this.calls.filter((call) => !isMutating(call.op));
  }

  /** Calls whose input has the text in it, plain or in base64 (user data). */
  withText(text: string): Call[] {
    return this.calls.filter(({ input }) => holds(input, text));
  }
}

function holds(value: unknown, text: string): boolean {
  if (typeof value === 'string') return value.includes(text) || Buffer.from(value, 'base64').toString('utf8').includes(text);
  if (value === null || typeof value !== 'object') return false;
  return Object.entries(value).some(([key, inner]) => key.includes(text) || holds(inner, text));
}
