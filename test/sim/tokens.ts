import type { Clock } from '../../launcher/ports/clock.ts';
import { refusal } from './errors.ts';
import { TOKEN_KEPT_MS } from './figures.ts';

interface Made {
  asked: string;
  atMs: number;
  again: () => unknown;
}

/** ClientTokens: the same token with the same parameters gives what was made; with others it is an error. */
export class Tokens {
  readonly #clock: Clock;
  readonly #made = new Map<string, Made>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * Makes something, unless it was made under this token: then `again` tells of it. What was refused has used up no token.
   * @param scope what the token counts in: the operation, and the zone where the operation is zonal
   */
  once<T>(scope: string, input: { ClientToken?: string }, make: () => { output: T; again?: () => T }): T {
    if (input.ClientToken === undefined) return make().output;
    const key = `${scope} ${input.ClientToken}`;
    const asked = JSON.stringify(sorted(input));
    const nowMs = this.#clock.now();
    const known = this.#made.get(key);
    if (known && nowMs - known.atMs < TOKEN_KEPT_MS) {
      if (known.asked !== asked)
        throw refusal(
          'IdempotentParameterMismatch',
          'Arguments on this idempotent request are inconsistent with arguments used in previous request(s).',
        );
      return known.again() as T;
    }
    const { output, again = () => output } = make();
    this.#made.set(key, { asked, atMs: nowMs, again });
    return output;
  }
}

/** The same for the same content, whatever the order of its keys. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (value === null || typeof value !== 'object' || value instanceof Date) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, inner]) => inner !== undefined)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, inner]) => [key, sorted(inner)]),
  );
}
