import { writeSync } from 'node:fs';
import { reasonOf } from '../contract/system-errors.ts';
import { Cli, type Surroundings } from './cli.ts';
import type { FlagValues } from './flags.ts';
import { type Form, paint, wantsColor } from './output.ts';
import { checkEnvNames, findVerb, parseCall } from './parse.ts';
import { Exit, errorText, exitCode } from './report.ts';
import { UsageError } from './usage-error.ts';
import type { Call, Verb } from './verb.ts';
import { VERB_GROUPS, VERBS } from './verbs.ts';

const GLOBAL_FIRST = /^--(?:on|url|home)$/;

/** Common flags may stand before the verb, too: they are moved behind it. */
function verbFirst(words: readonly string[]): readonly string[] {
  const before: string[] = [];
  let at = 0;
  while (at < words.length && (words[at] as string).startsWith('-') && words[at] !== '--') {
    const word = words[at] as string;
    const taken = GLOBAL_FIRST.test(word) || word === '-o' || word === '--output' ? 2 : 1;
    before.push(...words.slice(at, at + taken));
    at += taken;
  }
  if (at >= words.length) return words;
  const { verb, words: own } = findVerb(VERBS, words.slice(at));
  return [...verb.name.split(' '), ...before, ...own];
}

async function dispatch(words: readonly string[], surroundings: Surroundings): Promise<number> {
  const { helpText, overview } = await import('./help.ts');
  const first = words[0];
  if (first === undefined || ((first === '--help' || first === '-h') && words.length === 1)) {
    surroundings.stdout.write(overview(VERB_GROUPS, paint(wantsColor({}, surroundings.env, surroundings.stdout))));
    return 0;
  }
  if (first.startsWith('-') && words.every((word) => word.startsWith('-')))
    throw new UsageError(`there is no flag ${first} without a verb`, 'see devctl help');
  const { verb, words: own } = findVerb(VERBS, verbFirst(words));
  const call = parseCall(verb, own, surroundings.env);
  if (call.flags.help || !verb.load) {
    surroundings.stdout.write(helpText(verb, paint(wantsColor(call.flags, surroundings.env, surroundings.stdout))));
    return call.flags.help ? 0 : 2;
  }
  checkEnvNames(surroundings.env);
  return carryOut(verb, call, surroundings);
}

async function carryOut(verb: Verb, call: Call, surroundings: Surroundings): Promise<number> {
  const cli = new Cli(call, surroundings, VERB_GROUPS);
  try {
    const runVerb = await (verb.load as NonNullable<Verb['load']>)();
    return (await runVerb(cli, call)) ?? 0;
  } finally {
    await cli.close();
  }
}

/** The form that errors take, read leniently: the words may be what the error is about. */
function formOf(words: readonly string[], surroundings: Surroundings): Form {
  const end = words.indexOf('--');
  const own = end < 0 ? words : words.slice(0, end);
  const asked = own.some(
    (word, at) =>
      word === '--json' ||
      word === '-ojson' ||
      word === '--output=json' ||
      (word === 'json' && /^(?:-o|--output)$/.test(own[at - 1] ?? '')),
  );
  return asked || surroundings.env['DEVCTL_OUTPUT'] === 'json' || surroundings.env['DEVCTL_JSON'] === '1' ? 'json' : 'table';
}

/** Runs one command line in these surroundings. Never throws. */
export async function runIn(words: readonly string[], surroundings: Surroundings): Promise<number> {
  try {
    return await dispatch(words, surroundings);
  } catch (error) {
    if (error instanceof Exit) return error.code;
    const flags: FlagValues = words.includes('--no-color') ? { color: false } : {};
    surroundings.stderr.write(
      errorText(error, formOf(words, surroundings), paint(wantsColor(flags, surroundings.env, surroundings.stderr))),
    );
    return exitCode(error);
  }
}

/** @throws UsageError when the shell stands in a folder that was removed */
function currentFolder(): string {
  try {
    return process.cwd();
  } catch {
    throw new UsageError('the folder that you are in does not exist any more', 'change to another one with cd, and run it again');
  }
}

/** A reader that has gone (`devctl ls | head -1`) is no error. */
function endQuietlyOnBrokenPipe(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0);
    writeSync(2, `error: standard output cannot be written: ${reasonOf(error)}\n`);
    process.exit(1);
  });
  process.stderr.on('error', () => undefined);
}

export async function run(words: readonly string[]): Promise<void> {
  endQuietlyOnBrokenPipe();
  const { env, stdout, stderr } = process;
  process.exitCode = await runIn(words, {
    env,
    // Opened only by who reads it: that takes as long as a request.
    get stdin() {
      return process.stdin;
    },
    stdout,
    stderr,
    cwd: currentFolder,
  });
  const flushed = (stream: NodeJS.WriteStream): Promise<void> => new Promise((resolve) => stream.write('', () => resolve()));
  await Promise.all([flushed(stdout), flushed(stderr)]);
  process.exit();
}
