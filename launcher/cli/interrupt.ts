import type { Cli } from './cli.ts';
import { INTERRUPTED } from './report.ts';
import type { Steps } from './steps.ts';

/** Waits for work that goes on elsewhere. Ctrl-C meanwhile ends this command, and says what becomes of the work. */
export async function interruptible<T>(cli: Cli, outcome: string, work: Promise<T>, steps?: Steps): Promise<T> {
  const listener = () => {
    steps?.stop();
    cli.surroundings.stderr.write(`\n${outcome}\n`);
    process.exit(INTERRUPTED);
  };
  process.once('SIGINT', listener);
  try {
    return await work;
  } finally {
    process.off('SIGINT', listener);
  }
}
