import { nearest } from '../contract/nearest.ts';
import { COMMON_FLAGS, FLAGS, type FlagKey, type FlagSpec, type FlagValues, KNOWN_ENV } from './flags.ts';
import { UsageError } from './usage-error.ts';
import type { ArgSpec, Call, Verb } from './verb.ts';

export type Env = Readonly<Record<string, string | undefined>>;

const TRUE = new Set(['1', 'true', 'yes', 'on']);
const FALSE = new Set(['0', 'false', 'no', 'off', '']);

/** Refuses a DEVCTL_* variable that means nothing: most often it is a misspelt one that would be silently ignored. */
export function checkEnvNames(env: Env): void {
  for (const name of Object.keys(env)) {
    if (!name.startsWith('DEVCTL_') || KNOWN_ENV.includes(name)) continue;
    const near = nearest(name, KNOWN_ENV);
    throw new UsageError(
      `the variable ${name} is not known`,
      near ? `did you mean ${near}? See devctl help settings` : 'see devctl help settings',
    );
  }
}

const flagsOf = (verb: Verb): FlagKey[] => [...(verb.flags ?? []), ...COMMON_FLAGS];

function readSwitch(text: string, name: string): boolean {
  const word = text.toLowerCase();
  if (TRUE.has(word)) return true;
  if (FALSE.has(word)) return false;
  throw new UsageError(`${name} is ${JSON.stringify(text)}`, 'write yes or no');
}

function checkChoice(spec: FlagSpec, value: string, name: string): void {
  if (!spec.choices || spec.choices.includes(value)) return;
  const near = nearest(value, spec.choices);
  throw new UsageError(
    `${name} ${JSON.stringify(value)} is not known`,
    `write ${near ?? spec.choices.join(', ')}${near ? ` (allowed: ${spec.choices.join(', ')})` : ''}`,
  );
}

/** Values of the twins of a verb's flags. */
function fromEnv(verb: Verb, env: Env): FlagValues {
  const values: Record<string, unknown> = {};
  for (const key of flagsOf(verb)) {
    const spec: FlagSpec = FLAGS[key];
    const text = env[spec.env];
    if (text === undefined || text === '' || key === 'help') continue;
    if (spec.kind === 'switch') values[key] = readSwitch(text, spec.env);
    else if (spec.kind === 'list') {
      const parts = text.split(',').map((part) => part.trim());
      for (const part of parts) checkChoice(spec, part, spec.env);
      values[key] = parts;
    } else {
      checkChoice(spec, text, spec.env);
      values[key] = text;
    }
  }
  return values;
}

/** Reads one verb's words from left to right. */
class WordReader {
  readonly args: string[] = [];
  rest: string[] | null = null;
  readonly values: Record<string, unknown> = {};
  readonly #verb: Verb;
  readonly #words: readonly string[];
  #at = 0;

  constructor(verb: Verb, words: readonly string[]) {
    this.#verb = verb;
    this.#words = words;
  }

  read(): void {
    while (this.#at < this.#words.length) {
      const word = this.#words[this.#at] as string;
      this.#at += 1;
      if (word === '--') {
        this.rest = this.#words.slice(this.#at);
        return;
      }
      if (word.startsWith('--')) this.#long(word);
      else if (word.startsWith('-') && word !== '-') this.#shorts(word);
      else if (this.#verb.command && this.args.length === (this.#verb.args?.length ?? 0)) {
        this.rest = this.#words.slice(this.#at - 1);
        return;
      } else this.args.push(word);
    }
  }

  #long(word: string): void {
    const [name, inline] = splitOnce(word.slice(2), '=');
    for (const key of flagsOf(this.#verb)) {
      const spec: FlagSpec = FLAGS[key];
      if (spec.long === name) {
        this.#set(key, spec, `--${name}`, inline);
        return;
      }
      if (spec.negatable && `no-${spec.long}` === name) {
        if (inline !== undefined) throw new UsageError(`--${name} takes no value`);
        this.values[key] = false;
        return;
      }
    }
    const names = flagsOf(this.#verb).flatMap((key) => {
      const spec: FlagSpec = FLAGS[key];
      return spec.negatable ? [spec.long, `no-${spec.long}`] : [spec.long];
    });
    const near = nearest(name, names);
    throw new UsageError(`devctl ${this.#verb.name} has no flag --${name}`, near ? `did you mean --${near}?` : this.#helpfully());
  }

  #helpfully(): string {
    return `see devctl ${this.#verb.name} --help${this.#verb.command ? '; what the command itself takes comes after --' : ''}`;
  }

  #shorts(word: string): void {
    for (let i = 1; i < word.length; i += 1) {
      const key = flagsOf(this.#verb).find((candidate) => (FLAGS[candidate] as FlagSpec).short === word[i]);
      if (!key) throw new UsageError(`devctl ${this.#verb.name} has no flag -${word[i]}`, this.#helpfully());
      const spec: FlagSpec = FLAGS[key];
      if (spec.kind === 'switch') {
        this.#set(key, spec, `-${word[i]}`, undefined);
        continue;
      }
      const inline = word.slice(i + 1).replace(/^=/, '');
      this.#set(key, spec, `-${word[i]}`, inline === '' ? undefined : inline);
      return;
    }
  }

  #set(key: FlagKey, spec: FlagSpec, name: string, inline: string | undefined): void {
    if (spec.kind === 'switch') {
      this.values[key] = inline === undefined ? true : readSwitch(inline, name);
      return;
    }
    const value = inline ?? this.#words[this.#at];
    if (value === undefined) throw new UsageError(`${name} needs a value`, `${name} ${spec.value ?? 'VALUE'}: ${spec.about}`);
    if (inline === undefined) this.#at += 1;
    checkChoice(spec, value, name);
    if (spec.kind === 'list') this.values[key] = [...((this.values[key] as string[] | undefined) ?? []), value];
    else this.values[key] = value;
  }
}

function splitOnce(text: string, mark: string): [string, string | undefined] {
  const at = text.indexOf(mark);
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)];
}

/** The words of a verb as arguments and flags; flags win over their twins in the environment. */
export function parseCall(verb: Verb, words: readonly string[], env: Env): Call {
  const reader = new WordReader(verb, words);
  reader.read();
  const flags: FlagValues = { ...fromEnv(verb, env), ...reader.values };
  if (flags.json && reader.values['output'] === undefined) flags.output = 'json';
  const given = new Set(Object.keys(reader.values) as FlagKey[]);
  if (flags.help) return { args: reader.args, rest: reader.rest, flags, given };
  const isCommand = reader.rest === null || verb.command === true;
  const args = isCommand ? reader.args : [...reader.args, ...(reader.rest ?? [])];
  checkArgs(verb, args);
  return { args, rest: isCommand ? reader.rest : null, flags, given };
}

function checkArgs(verb: Verb, args: readonly string[]): void {
  const specs: readonly ArgSpec[] = verb.args ?? [];
  if (args.length > specs.length && !specs.at(-1)?.many) {
    throw new UsageError(
      `${JSON.stringify(args[specs.length])} is one argument too many for devctl ${verb.name}`,
      `see devctl ${verb.name} --help`,
    );
  }
  const needed = specs.filter((spec) => !spec.optional);
  if (args.length < needed.length && !verb.command) {
    const missing = needed[args.length] as ArgSpec;
    throw new UsageError(`devctl ${verb.name} needs ${missing.name.toUpperCase()}`, `see devctl ${verb.name} --help`);
  }
}

const verbNamed = (verbs: readonly Verb[], name: string): Verb | undefined =>
  verbs.find((verb) => verb.name.split(' ').at(-1) === name || verb.alias?.includes(name));

/** What makes a deployment, and is no part of what people who use one have. */
const OF_THE_REPOSITORY = ['deploy', 'destroy', 'image'];

/** Finds the verb, or the verb within a group, that words begin with. */
export function findVerb(verbs: readonly Verb[], words: readonly string[]): { verb: Verb; words: readonly string[] } {
  const name = words[0] as string;
  const verb = verbNamed(verbs, name);
  if (!verb) {
    const near = nearest(
      name,
      verbs.filter((candidate) => !candidate.hidden).map((candidate) => candidate.name.split(' ').at(-1) as string),
    );
    const group = verbs[0]?.name.split(' ').slice(0, -1).join(' ');
    if (!group && OF_THE_REPOSITORY.includes(name))
      throw new UsageError(`${name} is not a verb of devctl`, `in its repository: npm run ${name} -- --help`);
    throw new UsageError(
      `there is no verb ${JSON.stringify(name)}${group ? ` in devctl ${group}` : ''}`,
      near ? `did you mean ${near}?` : `see devctl ${group ? `${group} --help` : 'help'}`,
    );
  }
  const next = words[1];
  if (verb.verbs && next !== undefined && !next.startsWith('-') && (!verb.load || verbNamed(verb.verbs, next)))
    return findVerb(verb.verbs, words.slice(1));
  return { verb, words: words.slice(1) };
}
