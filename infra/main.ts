import { DevctlError } from '../launcher/contract/errors.ts';
import { deploy } from './commands/deploy.ts';
import { destroy } from './commands/destroy.ts';
import { Failure } from './commands/failure.ts';
import type { Surroundings } from './commands/terminal.ts';
import { readWords, USAGE, UsageError } from './commands/words.ts';
import { ConfigError } from './config.ts';

/** @returns the exit code: 1 when it could not be done, 2 for words that mean nothing */
async function main(argv: string[], surroundings: Surroundings): Promise<number> {
  const { say, print } = surroundings;
  try {
    const words = readWords(argv);
    if (words.help) print(`${USAGE}\n`);
    else await (words.verb === 'deploy' ? deploy : destroy)(words, surroundings);
    return 0;
  } catch (error) {
    say(`error: ${error instanceof Error ? error.message : error}`);
    if (error instanceof Failure || error instanceof ConfigError || error instanceof UsageError) say(`  ${error.hint}`);
    if (error instanceof DevctlError) say(`  ${error.toProblem().hint}`);
    return error instanceof UsageError ? 2 : 1;
  }
}

// `engines` in package.json says which Node is supported.
process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] = 'true';
// What `npm run` starts stands in the folder of the repository.
const surroundings: Surroundings = {
  say: (line) => void process.stderr.write(`${line}\n`),
  print: (text) => void process.stdout.write(text),
  root: process.cwd(),
  env: process.env,
  isTerminal: process.stdin.isTTY === true && process.stderr.isTTY === true,
};
void main(process.argv.slice(2), surroundings).then((code) => {
  process.exitCode = code;
});
