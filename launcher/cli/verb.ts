import type { Cli } from './cli.ts';
import type { FlagKey, FlagValues } from './flags.ts';

/** What an argument is, for help and for completion. */
export interface ArgSpec {
  readonly name: string;
  readonly optional?: true;
  readonly many?: true;
  readonly complete?: 'workspace' | 'session' | 'file' | 'context' | 'verb' | 'shell' | 'remote-path';
}

export interface Call {
  readonly args: readonly string[];
  /** What came after `--`, or after the last argument of its own of a verb that runs a command; null when nothing did. */
  readonly rest: readonly string[] | null;
  readonly flags: FlagValues;
  /** Flags that stood in the command line, not only in the environment. */
  readonly given: ReadonlySet<FlagKey>;
}

/** Verbs under the titles that help shows them with. */
export type VerbGroups = ReadonlyArray<readonly [title: string, verbs: readonly Verb[]]>;

/** Carries out a verb. The number is the exit code; nothing is 0. */
export type Run = (cli: Cli, call: Call) => Promise<number | undefined>;

export interface Verb {
  readonly name: string;
  /** Other last words that mean the same. */
  readonly alias?: readonly string[];
  readonly about: string;
  /** Further lines of help. */
  readonly more?: string;
  readonly args?: readonly ArgSpec[];
  readonly flags?: readonly FlagKey[];
  readonly examples: ReadonlyArray<readonly [command: string, meaning: string]>;
  /** Words after its arguments belong to the command that is run, flags too. */
  readonly command?: true;
  /** Verbs of a group. Where the group does something by itself, any other word is its argument. */
  readonly verbs?: readonly Verb[];
  readonly hidden?: true;
  /** Loaded only when it is used: start-up is paid for by what runs. */
  readonly load?: () => Promise<Run>;
}
