import { COMMON_FLAGS, FLAGS, type FlagKey, type FlagSpec, settings } from './flags.ts';
import type { Paint } from './output.ts';
import type { Verb, VerbGroups } from './verb.ts';

const COLUMN = 30;

const row = (left: string, right: string): string =>
  left.length < COLUMN - 1 ? `  ${left.padEnd(COLUMN - 2)}${right}` : `  ${left}\n${' '.repeat(COLUMN)}${right}`;

function usageOf(verb: Verb): string {
  if (verb.verbs && !verb.load) return `devctl ${verb.name} VERB`;
  const args = (verb.args ?? []).map((arg) => {
    const name = `${arg.name.toUpperCase()}${arg.many ? '…' : ''}`;
    return arg.optional ? `[${name}]` : name;
  });
  return ['devctl', verb.name, '[flags]', ...args, ...(verb.command ? ['[--] COMMAND [ARG…]'] : [])].join(' ');
}

function flagRow(key: FlagKey): string {
  const flag: FlagSpec = FLAGS[key];
  const name = `${flag.short ? `-${flag.short}, ` : '    '}--${flag.negatable ? '[no-]' : ''}${flag.long}${flag.value ? ` ${flag.value}` : ''}`;
  return row(name, `${flag.about}${flag.fallback ? ` (${flag.fallback})` : ''}`);
}

const namesOf = (verb: Verb): string => [verb.name.split(' ').at(-1), ...(verb.alias ?? [])].join(', ');

/** Every verb in a line. */
export function overview(groups: VerbGroups, look: Paint): string {
  const lines = [
    `${look.bold('devctl')} · a dev box in seconds, with the workspace as you left it`,
    '',
    'usage: devctl VERB [flags] [arguments]',
    '',
  ];
  for (const [title, verbs] of groups) {
    lines.push(look.bold(title), ...verbs.filter((verb) => !verb.hidden).map((verb) => row(verb.name, verb.about)), '');
  }
  lines.push('devctl VERB --help shows examples; devctl help settings every flag with its DEVCTL_ variable.');
  return `${lines.join('\n')}\n`;
}

/** How one verb, or a group of verbs, is used. */
export function helpText(verb: Verb, look: Paint): string {
  const lines = [`${look.bold(`devctl ${verb.name}`)} · ${verb.about}`, '', `usage: ${usageOf(verb)}`, ''];
  if (verb.more) lines.push(verb.more, '');
  if (verb.verbs) lines.push(look.bold('verbs'), ...verb.verbs.map((child) => row(namesOf(child), child.about)), '');
  if (verb.flags?.length) lines.push(look.bold('flags'), ...verb.flags.map(flagRow), '');
  lines.push(look.bold('common flags'), ...COMMON_FLAGS.map(flagRow), '');
  const examples = [...(verb.load ? verb.examples : []), ...(verb.verbs ?? []).flatMap((child) => child.examples)];
  lines.push(look.bold('examples'), ...examples.map(([command, meaning]) => (meaning ? row(command, meaning) : `  ${command}`)));
  lines.push('', 'Every flag has a DEVCTL_ variable of the same meaning: see devctl help settings.');
  return `${lines.join('\n')}\n`;
}

/** Every setting as a table for people. */
export function settingsText(look: Paint): string {
  const rows = settings().map(({ env, flag, about, fallback }) =>
    row(env, `${flag ? `${flag} · ` : ''}${about}${fallback ? ` (${fallback})` : ''}`),
  );
  return `${[look.bold('settings'), 'A flag wins over its variable. Lists in variables are split at commas; switches are yes or no.', '', ...rows].join('\n')}\n`;
}
