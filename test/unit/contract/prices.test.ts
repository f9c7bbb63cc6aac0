import { describe, expect, it } from 'vitest';
import { onDemandPrice, STANDING_MICRO_USD_PER_MONTH, usualSpotPrice } from '../../../launcher/contract/prices.ts';

describe('prices', () => {
  it('are those of the table for the machines that are in it', () => {
    expect(onDemandPrice('m7a.large')).toEqual({ microUsd: 115_900, about: false });
    expect(onDemandPrice('m7a.large', 'eu-central-1')).toEqual({ microUsd: 115_900, about: true });
  });

  it.each([
    ['t3.small', 18_800],
    ['t4g.medium', 37_600],
    ['c6i.xlarge', 205_200],
    ['m6a.2xlarge', 463_600],
    ['c7i.24xlarge', 4_924_800],
    ['r7a.large', 115_900],
    ['nonsense', 115_900],
  ])('are taken from their kind for %s, and are about', (type, microUsd) => {
    expect(onDemandPrice(type)).toEqual({ microUsd, about: true });
  });

  it('of spot machines are a share of those on demand, where the moment is not known', () => {
    expect(usualSpotPrice('m7a.large')).toEqual({ microUsd: 34_770, about: true });
  });

  it('of an installation with no session are $0.80 a month', () => {
    expect(STANDING_MICRO_USD_PER_MONTH).toBe(800_000);
  });
});
