import { type BoxRef, ComputeError } from '../ports/compute.ts';
import type { ControllerDeps } from './deps.ts';

/** The promise, or a transient ComputeError when it has not settled in time. The call itself goes on: it may be repeated. */
export async function withDeadline<T>(timeoutMs: number, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new ComputeError('transient', `no answer within ${timeoutMs} ms`)), timeoutMs);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Asks a box to fetch its orders now. A box that dawdles over its answer holds nobody up. */
export async function pokeBox(deps: ControllerDeps, box: BoxRef): Promise<void> {
  await withDeadline(deps.limits.pokeMs, deps.access.poke(box)).catch(() => {});
}
