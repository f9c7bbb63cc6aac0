import { json } from '../output.ts';
import type { Run } from '../verb.ts';
import { VERSION } from '../version.ts';

export const run: Run = async (cli) => {
  cli.print(cli.form === 'json' ? json({ version: VERSION }) : `${VERSION}\n`);
  return undefined;
};
