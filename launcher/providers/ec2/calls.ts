import type { Random } from '../../ports/clock.ts';
import { ComputeError } from '../../ports/compute.ts';
import type { Ec2Api } from './api.ts';
import { Budget, type Caller } from './budget.ts';
import { classOf, unanswered } from './errors.ts';
import type { Ec2Limits } from './limits.ts';
import { Line } from './line.ts';
import { sleep, type Time, within } from './timers.ts';

export interface CallsOptions<Api = Ec2Api> {
  api: Api;
  time: Time;
  random: Random;
  limits: Ec2Limits;
  /** Called when AWS refuses a call because there are too many. */
  onThrottled?: (op: string) => void;
}

export interface CallOptions {
  /**
   * `safe`: made twice it is as if made once. `once`: repeated only where AWS has refused it without doing it. Describes are safe.
   * @default safe
   */
  repeat?: 'safe' | 'once';
  /** @default work */
  caller?: Caller;
}

type Ops<Api> = { [O in keyof Api]: (input: never) => Promise<unknown> };
type Input<Api extends Ops<Api>, O extends keyof Api> = Parameters<Api[O]>[0];
type Output<Api extends Ops<Api>, O extends keyof Api> = Awaited<ReturnType<Api[O]>>;

/**
 * Every call of a service goes through here: it takes its turn, has a deadline, and is repeated after a random rest where that is safe
 * and enough others succeed. What it throws at last is what AWS said.
 */
export class Calls<Api extends Ops<Api> = Ec2Api> {
  readonly #options: CallsOptions<Api>;
  readonly #budget: Budget;
  readonly #lines = new Map<string, Line>();
  #retries: number;

  constructor(options: CallsOptions<Api>) {
    this.#options = options;
    this.#budget = new Budget(options.time);
    this.#retries = options.limits.retryBudget;
  }

  async make<O extends keyof Api & string>(
    op: O,
    input: Input<Api, O>,
    { repeat = 'safe', caller = 'work' }: CallOptions = {},
  ): Promise<Output<Api, O>> {
    const { limits, time } = this.#options;
    for (let tries = 1; ; tries += 1) {
      await this.#turn(op, caller);
      try {
        const output = await this.#once(op, input);
        this.#retries = Math.min(limits.retryBudget, this.#retries + 0.1);
        return output;
      } catch (error) {
        const kind = classOf(error);
        if (kind === 'throttled') {
          this.#budget.slower(op, caller);
          this.#options.onThrottled?.(op);
        }
        const mayRepeat = kind === 'throttled' || (repeat === 'safe' && (kind === 'passing' || kind === 'no_answer'));
        if (!mayRepeat || tries >= limits.tries || this.#retries < 1) throw error;
        this.#retries -= 1;
        await sleep(time, this.#retryMs(tries));
      }
    }
  }

  /** How long whoever wants to make a call had better rest before it waits for its turn, ms; 0: it may wait for it now. */
  restMs(op: keyof Api & string, name: string): number {
    const { time: clock, limits } = this.#options;
    const line = this.#lines.get(op) ?? new Line({ op, clock, limits, budget: this.#budget });
    this.#lines.set(op, line);
    return line.restMs(name);
  }

  async #turn(op: keyof Api & string, caller: Caller): Promise<void> {
    const { limits, time } = this.#options;
    const waitMs = this.#budget.turn(op, caller, limits.turnMs);
    // Nothing has failed: whoever asks again in a while gets its turn.
    if (waitMs === null) throw new ComputeError('busy', `too many calls of ${op} are waiting for their turn`);
    await sleep(time, waitMs);
  }

  #once<O extends keyof Api & string>(op: O, input: Input<Api, O>): Promise<Output<Api, O>> {
    const { api, time, limits } = this.#options;
    const call = api[op] as (input: Input<Api, O>) => Promise<Output<Api, O>>;
    return within(time, limits.callMs, call(input), () => unanswered(op, limits.callMs));
  }

  /** Anything between nothing and a bound that doubles: those who failed together do not come back together. */
  #retryMs(tries: number): number {
    const { limits, random } = this.#options;
    const bound = Math.min(limits.retryMaxMs, limits.retryBaseMs * 2 ** tries);
    const [a = 0, b = 0] = random.bytes(2);
    return Math.ceil((bound * (a * 256 + b)) / 65_536);
  }
}
