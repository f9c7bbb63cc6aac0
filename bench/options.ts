import { parseArgs } from 'node:util';

export const SUITES = ['box', 'agent', 'cli', 'api', 'trees', 'ec2', 'lambda'] as const;
export type Suite = (typeof SUITES)[number];

export interface Options {
  /** Few rounds and small trees: shows that everything can be measured, not how fast it is. */
  quick: boolean;
  /** Start a Docker engine for this run. */
  engine: boolean;
  /** Where the figures go as JSON. */
  json: string | null;
  suites: readonly Suite[];
}

const USAGE = `npm run bench -- [--quick] [--engine] [--json FILE] [${SUITES.join('|')} …]`;

/** @throws Error that says how it is used */
export function readOptions(argv: string[]): Options {
  try {
    const { values, positionals } = parseArgs({
      args: argv,
      allowPositionals: true,
      options: { quick: { type: 'boolean', default: false }, engine: { type: 'boolean', default: false }, json: { type: 'string' } },
    });
    const suites = positionals.map((word) => {
      const suite = SUITES.find((name) => name === word);
      if (suite === undefined) throw new Error(`there is no part "${word}"`);
      return suite;
    });
    return { quick: values.quick, engine: values.engine, json: values.json ?? null, suites: suites.length > 0 ? suites : SUITES };
  } catch (error) {
    throw new Error(`${error instanceof Error ? error.message : error}\nusage: ${USAGE}`, { cause: error });
  }
}
