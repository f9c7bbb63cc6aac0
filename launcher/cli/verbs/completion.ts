import { collect } from '../../client/client.ts';
import type { Cli } from '../cli.ts';
import { LOCAL, readContexts } from '../contexts.ts';
import { COMMON_FLAGS, FLAGS, type FlagKey, type FlagSpec } from '../flags.ts';
import { UsageError } from '../usage-error.ts';
import type { Run, Verb } from '../verb.ts';

const BASH = `_devctl() {
  local IFS=$'\\n'
  local cur=\${COMP_WORDS[COMP_CWORD]}
  mapfile -t COMPREPLY < <(compgen -W "$(devctl __complete -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)" -- "$cur")
  if [[ \${COMPREPLY[0]} == *: ]]; then compopt -o nospace; fi
  if [ \${#COMPREPLY[@]} -eq 0 ]; then mapfile -t COMPREPLY < <(compgen -f -- "$cur"); fi
}
complete -o filenames -F _devctl devctl
`;

const ZSH = `#compdef devctl
_devctl() {
  local -a found
  found=("\${(@f)$(devctl __complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  found=(\${found:#})
  if [[ \${found[1]} == *: ]]; then compadd -S '' -a found; elif (( \${#found} )); then compadd -a found; else _files; fi
}
compdef _devctl devctl
`;

const FISH = `function __devctl_complete
  set -l words (commandline -opc) (commandline -ct)
  set -l found (devctl __complete -- $words[2..-1] 2>/dev/null)
  if count $found >/dev/null
    printf '%s\\n' $found
  else if contains -- $words[2] up cp
    __fish_complete_path (commandline -ct)
  end
end
complete -c devctl -f -a '(__devctl_complete)'
`;

const SCRIPTS: Readonly<Record<string, string>> = { bash: BASH, zsh: ZSH, fish: FISH };

/** `devctl completion SHELL` */
export const script: Run = async (cli, { args }) => {
  const [shell] = args as readonly [string];
  const text = Object.hasOwn(SCRIPTS, shell) ? SCRIPTS[shell] : undefined;
  if (text === undefined)
    throw new UsageError(`there is no completion for ${JSON.stringify(shell)}`, `write ${Object.keys(SCRIPTS).join(', ')}`);
  cli.print(text);
  return undefined;
};

const lastName = (verb: Verb): string => verb.name.split(' ').at(-1) as string;
const visible = (verbs: readonly Verb[]): string[] => verbs.filter((verb) => !verb.hidden).map(lastName);

/** Names from the launcher, if it runs: completing a word starts nothing. */
async function workspaceNames(cli: Cli): Promise<string[]> {
  if (!cli.isRunning()) return [];
  const workspaces = await collect((await cli.client()).list('listWorkspaces', { query: { limit: 200 } }));
  return workspaces.map((workspace) => workspace.name);
}

async function sessionNames(cli: Cli): Promise<string[]> {
  if (!cli.isRunning()) return [];
  const sessions = await collect((await cli.client()).list('listSessions', { query: { limit: 200 } }));
  return sessions.map((session) => session.workspace);
}

function flagWords(verb: Verb): string[] {
  return [...(verb.flags ?? []), ...COMMON_FLAGS].flatMap((key: FlagKey) => {
    const flag: FlagSpec = FLAGS[key];
    return flag.negatable ? [`--${flag.long}`, `--no-${flag.long}`] : [`--${flag.long}`];
  });
}

const flagNamed = (verb: Verb, word: string | undefined): FlagSpec | undefined =>
  [...(verb.flags ?? []), ...COMMON_FLAGS]
    .map((key): FlagSpec => FLAGS[key])
    .find((flag) => word === `--${flag.long}` || (flag.short && word === `-${flag.short}`));

async function argumentWords(cli: Cli, verb: Verb, position: number): Promise<string[]> {
  const spec = verb.args?.[position] ?? (verb.args?.at(-1)?.many ? verb.args.at(-1) : undefined);
  switch (spec?.complete) {
    case 'workspace':
      return workspaceNames(cli);
    case 'session':
      return sessionNames(cli);
    case 'remote-path':
      return (await sessionNames(cli)).map((name) => `${name}:`);
    case 'context':
      return [LOCAL, ...Object.keys(readContexts(cli.home).contexts)];
    case 'shell':
      return Object.keys(SCRIPTS);
    case 'verb':
      return [...visible(cli.verbs), 'settings'];
    default:
      return [];
  }
}

/** What may stand at the place of the last word. */
export async function candidates(cli: Cli, words: readonly string[]): Promise<string[]> {
  let verbs: readonly Verb[] = cli.verbs;
  let verb: Verb | undefined;
  let at = 0;
  for (; at < words.length - 1; at += 1) {
    const next = verbs.find((candidate) => lastName(candidate) === words[at]);
    if (!next) break;
    verb = next;
    verbs = next.verbs ?? [];
    if (!next.verbs) {
      at += 1;
      break;
    }
  }
  const current = words.at(-1) ?? '';
  if (!verb) return at === words.length - 1 ? visible(cli.verbs) : [];
  if (verb.verbs && !verb.load) return visible(verb.verbs);
  const before = words.slice(at, -1);
  if (before.includes('--')) return [];
  const flag = flagNamed(verb, before.at(-1));
  if (flag && flag.kind !== 'switch')
    return flag.long === 'on' ? [LOCAL, ...Object.keys(readContexts(cli.home).contexts)] : [...(flag.choices ?? [])];
  if (current.startsWith('-')) return flagWords(verb);
  const values = before.filter((word, i) => !word.startsWith('-') && !takesValue(verb as Verb, before[i - 1]));
  const own = values.length === 0 ? visible(verb.verbs ?? []) : [];
  return [...own, ...(await argumentWords(cli, verb, values.length))];
}

const takesValue = (verb: Verb, word: string | undefined): boolean => {
  const flag = flagNamed(verb, word);
  return flag !== undefined && flag.kind !== 'switch';
};

/** `devctl __complete -- WORDS`: the candidates, one a line. A shell must not see errors while somebody types. */
export const complete: Run = async (cli, { rest }) => {
  const words = rest ?? [];
  const found = await candidates(cli, words).catch(() => [] as string[]);
  const current = words.at(-1) ?? '';
  cli.print(
    found
      .filter((word) => word.startsWith(current) && /^[\w.:/@-]+$/.test(word))
      .map((word) => `${word}\n`)
      .join(''),
  );
  return undefined;
};
