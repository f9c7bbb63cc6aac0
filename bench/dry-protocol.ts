/** What the bench asks of the process with the dry launcher, and what it answers. */
export interface DryRequests {
  /** Tokens of as many new owners. */
  owners: { input: { count: number }; output: { tokens: string[] } };
  /** Calls of the store alone, in the same process and on the same table. */
  raw: { input: { kind: 'get' | 'put'; count: number; parallel: number }; output: Batch };
  /** Resolves when the controller has launched this many boxes and rests. */
  settle: { input: { launches: number }; output: null };
  /** Calls of the table since the last time that this was asked. */
  calls: { input: null; output: { reads: number; writes: number } };
}

export type DryKind = keyof DryRequests;

/** A number of calls, some of them at a time. */
export interface Batch {
  tookMs: number;
  latenciesMs: number[];
}

/** Makes `count` calls, `parallel` of them at a time. */
export async function inParallel(count: number, parallel: number, call: (index: number) => Promise<unknown>): Promise<Batch> {
  const latenciesMs: number[] = [];
  let next = 0;
  const startMs = performance.now();
  const lane = async (): Promise<void> => {
    while (next < count) {
      const index = next;
      next += 1;
      const fromMs = performance.now();
      await call(index);
      latenciesMs.push(performance.now() - fromMs);
    }
  };
  await Promise.all(Array.from({ length: parallel }, lane));
  return { tookMs: performance.now() - startMs, latenciesMs };
}
