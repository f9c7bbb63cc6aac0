import type { Cli } from './cli.ts';
import { Exit, errorText, exitCode } from './report.ts';

/**
 * Does the same for each of several things, whatever becomes of the others. Each failure is told when it comes, in the form of
 * any error.
 * @param atOnce true: all of them at the same time
 * @returns what was done, in order, and the highest exit code: 0 when nothing failed
 */
export async function each<T, R>(
  cli: Cli,
  things: readonly T[],
  atOnce: boolean,
  work: (thing: T) => Promise<R>,
): Promise<{ done: R[]; code: number }> {
  let code = 0;
  const one = async (thing: T): Promise<R[]> => {
    try {
      return [await work(thing)];
    } catch (error) {
      if (!(error instanceof Exit)) cli.surroundings.stderr.write(errorText(error, cli.form, cli.err));
      code = Math.max(code, exitCode(error));
      return [];
    }
  };
  const results: R[][] = [];
  if (atOnce) results.push(...(await Promise.all(things.map(one))));
  else for (const thing of things) results.push(await one(thing));
  return { done: results.flat(), code };
}
