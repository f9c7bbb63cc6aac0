import type { SeededRandom } from '../support/faults.ts';
import { refusal } from './errors.ts';

const MOST = 1000;

interface PageRequest {
  MaxResults?: number;
  NextToken?: string;
}

/**
 * One page of a list in the order of making. The token is the place after the last one looked at, so what is made or gone
 * meanwhile moves nothing. A page may come out short, or empty.
 */
export function pageOf<Item extends { seq: number }>(
  items: Item[],
  request: PageRequest,
  short: { perPage: number; dice: SeededRandom },
): { page: Item[]; next: string | undefined } {
  const from = request.NextToken === undefined ? 0 : placeOf(request.NextToken);
  const rest = items.filter(({ seq }) => seq >= from);
  const limit = Math.min(request.MaxResults ?? MOST, MOST);
  const cut = rest.length > 0 && short.dice.chance(short.perPage) ? short.dice.below(Math.min(limit, rest.length)) : limit;
  const after = rest[cut];
  return { page: rest.slice(0, cut), next: after === undefined ? undefined : tokenOf(after.seq) };
}

const tokenOf = (place: number): string => Buffer.from(`page:${place}`).toString('base64');

function placeOf(token: string): number {
  const place = /^page:(\d+)$/.exec(Buffer.from(token, 'base64').toString('utf8'))?.[1];
  if (place === undefined) throw refusal('InvalidNextToken', `The token '${token}' is invalid`);
  return Number(place);
}
