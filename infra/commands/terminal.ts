import { createInterface } from 'node:readline/promises';
import { Failure } from './failure.ts';

/** What differs between a terminal and a test. */
export interface Surroundings {
  /** Progress, on standard error. */
  say(line: string): void;
  /** Data, on standard output. */
  print(text: string): void;
  /** Folder of the repository. */
  root: string;
  env: NodeJS.ProcessEnv;
  isTerminal: boolean;
}

/** @throws Failure when nobody says yes */
export async function confirm(question: string, yes: boolean, { isTerminal }: Surroundings): Promise<void> {
  if (yes) return;
  if (!isTerminal) throw new Failure('nothing was done: there is no terminal to ask at', 'say --yes');
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const answer = await lines.question(`${question} [y/N] `);
    if (!/^y(es)?$/i.test(answer.trim())) throw new Failure('nothing was done', 'answer y, or say --yes');
  } finally {
    lines.close();
  }
}
