import type { ExecStartInput } from '../contract/exec-messages.ts';
import { clampSize } from './attached.ts';
import type { Cli } from './cli.ts';
import { UsageError } from './usage-error.ts';

const VARIABLE = /^[A-Za-z_][A-Za-z0-9_]{0,255}$/;
/** The name of a secret as the contract has it. */
const SECRET = /^[A-Za-z_][A-Za-z0-9_]{0,127}$/;
const TERM = /^[A-Za-z0-9._+-]{1,64}$/;

/** `NAME=VALUE` as given, or `NAME` for the value that it has here. */
function variables(cli: Cli): Record<string, string> {
  const env: Record<string, string> = {};
  for (const entry of cli.flags.env ?? []) {
    const at = entry.indexOf('=');
    const name = at < 0 ? entry : entry.slice(0, at);
    if (!VARIABLE.test(name)) throw new UsageError(`--env ${JSON.stringify(name)} is not the name of a variable`, 'write --env NAME=VALUE');
    const value = at < 0 ? cli.env[name] : entry.slice(at + 1);
    if (value !== undefined) env[name] = value;
  }
  return env;
}

/** What was given is not repeated: it may be the secret itself. */
function secretsNamed(cli: Cli): Pick<ExecStartInput, 'secrets' | 'secretFiles'> {
  const { execSecret: secrets, secretFile: secretFiles } = cli.flags;
  if ([...(secrets ?? []), ...(secretFiles ?? [])].some((name) => !SECRET.test(name)))
    throw new UsageError(
      'what is given as a secret is not the name of one',
      'devctl up --secret NAME=ARN names it; here it is --secret NAME',
    );
  return { ...(secrets && { secrets }), ...(secretFiles && { secretFiles }) };
}

/** What to run, from the flags that exec and shell have in common. */
export function execStart(cli: Cli, argv: readonly string[], tty: boolean): ExecStartInput {
  const { stdout } = cli.surroundings;
  const term = cli.env['TERM'] ?? '';
  const colors = cli.env['COLORTERM'];
  if (argv.some((word) => word.includes('\0'))) throw new UsageError('an argument has a NUL character in it');
  return {
    argv: [...argv],
    ...(cli.flags.cwd !== undefined && { cwd: cli.flags.cwd }),
    ...secretsNamed(cli),
    env: { ...(tty && colors && { COLORTERM: colors }), ...variables(cli) },
    ...(tty && {
      tty: { cols: clampSize(stdout.columns, 80), rows: clampSize(stdout.rows, 24), term: TERM.test(term) ? term : 'xterm-256color' },
    }),
  };
}
