import { noAnswer, refusal } from './errors.ts';
import { READ_LAG } from './figures.ts';
import type { Call } from './ledger.ts';
import type { Streams } from './random.ts';

/** How often each thing goes wrong by itself: chances per call, per resource or per hour, as the name says. */
export interface Rates {
  /** A call is refused with an error that passes. */
  refusedPerCall: number;
  throttledPerCall: number;
  /** A call is carried out and its answer is lost. */
  lostPerCall: number;
  /** A describe does not see what has just happened. */
  lagPerLook: number;
  /** A page is shorter than asked for, or empty, with more to come. */
  shortPerPage: number;
  /** A pool that should have capacity has none. */
  noCapacityPerLaunch: number;
  /** An instance dies before it runs. */
  deathPerLaunch: number;
  interruptionPerSpotHour: number;
  hardwareDeathPerHour: number;
  errorPerSnapshot: number;
  /** A snapshot takes ten times as long. */
  slowPerSnapshot: number;
  stuckPerAttach: number;
  stuckPerDetach: number;
  /** A volume stays on its instance when that has ended, detaching. */
  stuckPerEnd: number;
  lostPerEvent: number;
  doubledPerEvent: number;
  /** What a machine wrote and did not flush is on the volume all the same. */
  writtenBackPerFile: number;
}

/** Nothing goes wrong, and still describes lag and pages are short: AWS promises neither. */
export const CALM: Readonly<Rates> = {
  refusedPerCall: 0,
  throttledPerCall: 0,
  lostPerCall: 0,
  lagPerLook: READ_LAG.chance,
  shortPerPage: 0.2,
  noCapacityPerLaunch: 0,
  deathPerLaunch: 0,
  interruptionPerSpotHour: 0,
  hardwareDeathPerHour: 0,
  errorPerSnapshot: 0,
  slowPerSnapshot: 0,
  stuckPerAttach: 0,
  stuckPerDetach: 0,
  stuckPerEnd: 0,
  lostPerEvent: 0,
  doubledPerEvent: 0,
  writtenBackPerFile: 0,
};

/** A bad week in a few hours. */
export const ROUGH: Readonly<Rates> = {
  refusedPerCall: 0.02,
  throttledPerCall: 0.02,
  lostPerCall: 0.02,
  lagPerLook: 0.5,
  shortPerPage: 0.4,
  noCapacityPerLaunch: 0.2,
  deathPerLaunch: 0.05,
  interruptionPerSpotHour: 0.3,
  hardwareDeathPerHour: 0.05,
  errorPerSnapshot: 0.1,
  slowPerSnapshot: 0.2,
  stuckPerAttach: 0.03,
  stuckPerDetach: 0.03,
  stuckPerEnd: 0.02,
  lostPerEvent: 0.1,
  doubledPerEvent: 0.2,
  writtenBackPerFile: 0.3,
};

export interface FaultOptions {
  /** How many calls it is for. @default 1 */
  times?: number;
  /** Only calls with such an input. */
  when?: (input: never) => boolean;
}

/** What is to become of one call. */
export type Verdict = { how: 'fine' } | { how: 'refused' | 'lost'; error: Error } | { how: 'hang' };

interface Rule {
  op: string;
  left: number;
  when: (input: never) => boolean;
  verdict: () => Verdict;
}

type Hook = (call: Call) => void | Promise<void>;

/** What goes wrong: as told, in the order in which it was told, and by the rates. */
export class Faults {
  rates: Rates = { ...CALM };
  /** Operations that the caller may not use now. */
  readonly denied = new Set<string>();
  #rules: Rule[] = [];
  #hooks: Array<{ when: 'before' | 'after'; n: number; run: Hook }> = [];
  readonly #streams: Streams;

  constructor(streams: Streams) {
    this.#streams = streams;
  }

  /** The next calls of the operation are refused with this code. */
  fail(op: string, options: FaultOptions & { with?: string | Error } = {}): void {
    const { with: error = 'InternalError' } = options;
    const make = () => (typeof error === 'string' ? refusal(error, `${error} (as told)`) : error);
    this.#add(op, options, () => ({ how: 'refused', error: make() }));
  }

  /** The next calls of the operation are carried out, and the caller does not learn of it. */
  lose(op: string, options: FaultOptions & { how?: 'reset' | 'timeout' } = {}): void {
    this.#add(op, options, () => ({ how: 'lost', error: noAnswer(options.how ?? 'reset') }));
  }

  /** The next calls of the operation never answer, and do nothing. */
  hang(op: string, options: FaultOptions = {}): void {
    this.#add(op, options, () => ({ how: 'hang' }));
  }

  /** The answer of the n-th call of all is lost. */
  loseAnswer(n: number): void {
    let lose = false;
    this.before(n, () => {
      lose = true;
    });
    const isIt = () => {
      const now = lose;
      lose = false;
      return now;
    };
    this.#rules.unshift({ op: '*', left: 1, when: isIt, verdict: () => ({ how: 'lost', error: noAnswer('reset') }) });
  }

  /** Runs when the n-th call of all is about to be made: to kill the caller there, or to hold it back. */
  before(n: number, run: Hook): void {
    this.#hooks.push({ when: 'before', n, run });
  }

  /** Runs when the n-th call of all has been carried out and its answer is on the way. */
  after(n: number, run: Hook): void {
    this.#hooks.push({ when: 'after', n, run });
  }

  /** Faults stop: no rule, no denial, no hook, and the rates of a calm day. */
  clear(): void {
    this.#rules = [];
    this.#hooks = [];
    this.denied.clear();
    this.rates = { ...CALM };
  }

  async runHooks(when: 'before' | 'after', call: Call): Promise<void> {
    for (const hook of this.#hooks) if (hook.when === when && hook.n === call.n) await hook.run(call);
  }

  verdict(call: Call): Verdict {
    const rule = this.#rules.find(({ op, left, when }) => left > 0 && (op === call.op || op === '*') && when(call.input as never));
    if (rule) {
      rule.left -= 1;
      return rule.verdict();
    }
    return this.#byRates();
  }

  #byRates(): Verdict {
    const dice = this.#streams.of('calls');
    const { refusedPerCall, throttledPerCall, lostPerCall } = this.rates;
    const thrown = dice.next();
    const kind = dice.next();
    if (thrown < refusedPerCall) {
      const code = kind < 0.6 ? 'InternalError' : kind < 0.9 ? 'Unavailable' : 'ServiceUnavailable';
      return { how: 'refused', error: refusal(code, 'An internal error has occurred') };
    }
    if (thrown < refusedPerCall + throttledPerCall)
      return { how: 'refused', error: refusal('RequestLimitExceeded', 'Request limit exceeded.') };
    if (thrown < refusedPerCall + throttledPerCall + lostPerCall) return { how: 'lost', error: noAnswer(kind < 0.5 ? 'reset' : 'timeout') };
    return { how: 'fine' };
  }

  #add(op: string, { times = 1, when = () => true }: FaultOptions, verdict: () => Verdict): void {
    this.#rules.push({ op, left: times, when, verdict });
  }
}
