import { settings } from '../flags.ts';
import { helpText, overview, settingsText } from '../help.ts';
import { json } from '../output.ts';
import { findVerb } from '../parse.ts';
import type { Run } from '../verb.ts';

export const run: Run = async (cli, { args }) => {
  if (args.length === 0) cli.print(overview(cli.groups, cli.out));
  else if (args[0] === 'settings' && args.length === 1) cli.print(cli.form === 'json' ? json(settings()) : settingsText(cli.out));
  else cli.print(helpText(findVerb(cli.verbs, args).verb, cli.out));
  return undefined;
};
