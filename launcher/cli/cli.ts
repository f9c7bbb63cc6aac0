import type { Client } from '../client/client.ts';
import { ensureLauncher, hasState, localToken } from './embedded.ts';
import type { FlagValues } from './flags.ts';
import { type Home, homeAt, tilde } from './home.ts';
import { findLauncher } from './launcher-process.ts';
import { type Form, json, type Paint, paint, plainRows, table, wantsColor } from './output.ts';
import type { Env } from './parse.ts';
import { resolveTarget, type Target } from './target.ts';
import { plainText } from './text.ts';
import { UsageError } from './usage-error.ts';
import type { Call, Verb, VerbGroups } from './verb.ts';
import { VERSION } from './version.ts';

/** The process around a command. Tests give their own. */
export interface Surroundings {
  env: Env;
  readonly stdin: NodeJS.ReadStream;
  stdout: NodeJS.WriteStream;
  stderr: NodeJS.WriteStream;
  cwd: () => string;
}

/** How rows are shown in each form. */
export interface Shown {
  json: unknown;
  header: readonly string[];
  rows: ReadonlyArray<readonly string[]>;
  /** The same for `cut` and `awk`, where rows are for people: whole ids, ISO times, bytes; nothing where there is nothing. */
  plain?: ReadonlyArray<ReadonlyArray<string | number | null>>;
  /** Said on a terminal when there are no rows. */
  none?: string;
}

/** What every verb works with: flags, streams, and the client of the launcher that is meant. */
export class Cli {
  readonly env: Env;
  readonly flags: FlagValues;
  /** Flags of the command line itself. */
  readonly given: Call['given'];
  readonly home: Home;
  readonly surroundings: Surroundings;
  readonly form: Form;
  /** Colours for standard output, and for standard error. */
  readonly out: Paint;
  readonly err: Paint;
  /** Steps, counters and advice are shown: a person is looking. */
  readonly talks: boolean;
  readonly target: Target;
  /** Every verb: help and completion speak of them. */
  readonly groups: VerbGroups;
  /** Set when this command started the embedded launcher. */
  startedLauncher = false;
  #client: Client | null = null;

  constructor(call: Call, surroundings: Surroundings, groups: VerbGroups) {
    this.groups = groups;
    const { flags } = call;
    this.flags = flags;
    this.given = call.given;
    this.surroundings = surroundings;
    this.env = surroundings.env;
    this.home = homeAt(flags.home, this.env);
    this.form = (flags.output ?? 'table') as Form;
    this.out = paint(wantsColor(flags, this.env, surroundings.stdout));
    this.err = paint(wantsColor(flags, this.env, surroundings.stderr));
    this.talks = surroundings.stderr.isTTY === true && flags.quiet !== true;
    this.target = resolveTarget(call, this.env, this.home, () => localToken(this.home));
  }

  get embedded(): boolean {
    return this.target.kind === 'embedded';
  }

  get verbs(): readonly Verb[] {
    return this.groups.flatMap(([, verbs]) => verbs);
  }

  /** A folder as people write it. */
  tilde(path: string): string {
    return tilde(path, this.env);
  }

  /** Data, for standard output. */
  print(text: string): void {
    this.surroundings.stdout.write(text);
  }

  /** Progress and advice: only for a person at a terminal. */
  say(line: string): void {
    if (this.talks) this.surroundings.stderr.write(`${line}\n`);
  }

  /** What must be seen in any case. */
  warn(line: string): void {
    this.surroundings.stderr.write(`${this.err.yellow('note:')} ${plainText(line)}\n`);
  }

  /** Whether there can be anything to ask: false for an embedded launcher that neither runs nor ever did. */
  hasLauncher(): boolean {
    return !this.embedded || findLauncher(this.home) !== null || hasState(this.home);
  }

  /** Whether a launcher answers without one being started. */
  isRunning(): boolean {
    return !this.embedded || findLauncher(this.home) !== null;
  }

  /** The client of the launcher that is meant. The embedded one is started when it does not run. */
  async client(): Promise<Client> {
    if (this.#client) return this.#client;
    const { createClient } = await import('../client/client.ts');
    const userAgent = `devctl/${VERSION}`;
    if (this.target.kind === 'remote') {
      const { url, token, aws } = this.target;
      const signed = aws && (await import('./aws.ts')).signedOptions(url, aws, this.env);
      this.#client = createClient({ baseUrl: url, userAgent, ...(token !== undefined && { token }), ...signed });
      return this.#client;
    }
    const ensure = () =>
      ensureLauncher(this.home, {
        env: this.env,
        isolation: this.flags.isolation,
        readOnlyPaths: this.flags.readOnlyPath ?? [],
        say: (line) => this.warn(line),
      });
    const { launcher, started } = await ensure();
    this.startedLauncher = started;
    this.#client = createClient({
      baseUrl: () => findLauncher(this.home)?.url ?? launcher.url,
      token: () => localToken(this.home),
      userAgent,
      // One that was killed meanwhile: boxes went on, and so does what this command waits for.
      onUnavailable: async () => void (await ensure()),
    });
    if (started) await this.#sayStarted(this.#client);
    return this.#client;
  }

  async #sayStarted(client: Client): Promise<void> {
    if (!this.talks) return;
    const { provider, isolation } = await client.call('info', {});
    this.say(
      `${this.err.bold('devctl')} · embedded launcher started (${plainText(provider)}, ${plainText(isolation)}) · state in ${this.tilde(this.home.dir)}`,
    );
    if (isolation === 'none') this.warn('boxes are plain processes of yours: nothing keeps them in');
  }

  /** Rows or a document, in the form that was asked for. */
  show(shown: Shown): void {
    if (this.form === 'json') this.print(json(shown.json));
    else if (this.form === 'plain') this.print(plainRows(shown.plain?.map((row) => row.map((cell) => String(cell ?? ''))) ?? shown.rows));
    else if (shown.rows.length > 0) this.print(table(shown.header, shown.rows, this.out));
    else if (shown.none !== undefined) this.say(shown.none);
  }

  /** Asks a person. Without a terminal, or with --quiet, the answer has to be given beforehand. */
  async confirm(question: string): Promise<boolean> {
    if (this.flags.yes) return true;
    const { stdin, stderr } = this.surroundings;
    if (!stdin.isTTY || !stderr.isTTY) throw new UsageError(`${question} needs an answer and there is no terminal`, 'repeat it with --yes');
    const { createInterface } = await import('node:readline/promises');
    const reader = createInterface({ input: stdin, output: stderr });
    try {
      if (/^y(?:es)?$/i.test((await reader.question(`${question} [y/N] `)).trim())) return true;
    } catch (error) {
      // Ctrl-C and Ctrl-D are a no.
      if ((error as NodeJS.ErrnoException).code !== 'ABORT_ERR') throw error;
      stderr.write('\n');
    } finally {
      reader.close();
    }
    this.say('nothing was done');
    return false;
  }

  async close(): Promise<void> {
    await this.#client?.close();
  }
}
