/** What is told of a series of measurements, all in the unit of the samples. */
export interface Summary {
  count: number;
  min: number;
  median: number;
  p95: number;
  p99: number;
}

/** The value that `share` of the sorted samples do not exceed (nearest rank). */
function rank(sorted: readonly number[], share: number): number {
  const index = Math.min(sorted.length - 1, Math.max(0, Math.ceil(share * sorted.length) - 1));
  return sorted[index] ?? Number.NaN;
}

function middle(sorted: readonly number[]): number {
  const half = Math.floor(sorted.length / 2);
  const upper = sorted[half] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[half - 1] ?? Number.NaN) + upper) / 2;
}

/** NaN throughout where there are no samples. */
export function summarize(samples: readonly number[]): Summary {
  const sorted = samples.toSorted((a, b) => a - b);
  return {
    count: sorted.length,
    min: sorted[0] ?? Number.NaN,
    median: middle(sorted),
    p95: rank(sorted, 0.95),
    p99: rank(sorted, 0.99),
  };
}
