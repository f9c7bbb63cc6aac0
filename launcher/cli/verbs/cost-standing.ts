import { readFileSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { planStanding, quantityOf, type Standing, type StandingLine } from '../../contract/plan-standing.ts';
import { readTemplate, type Template, TemplateError } from '../../contract/plan-template.ts';
import { reasonOf } from '../../contract/system-errors.ts';
import { formatUsd } from '../../contract/units.ts';
import type { Cli } from '../cli.ts';
import { CLI_LIMITS } from '../limits.ts';
import { table } from '../output.ts';
import { plural } from '../text.ts';
import { UsageError } from '../usage-error.ts';

const refuse = (path: string, why: string, advice?: string): UsageError =>
  new UsageError(`--template ${JSON.stringify(path.slice(0, 200))}: ${why}`, advice);

function textOf(cli: Cli, path: string): string {
  const file = resolve(cli.surroundings.cwd(), path);
  try {
    const stat = statSync(file);
    // A pipe would be waited for, and a device has no end.
    if (!stat.isFile()) throw refuse(path, 'it is no file');
    if (stat.size > CLI_LIMITS.templateBytes) throw refuse(path, 'it is larger than any template that CloudFormation takes');
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw error instanceof UsageError ? error : refuse(path, reasonOf(error));
  }
}

/** What is wrong with the file is said with its name. */
function named<T>(path: string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    throw error instanceof TemplateError ? refuse(path, error.message, error.advice) : error;
  }
}

/** What the deployment of `--template` costs when boxes run so many hours a month; null without the flag. */
export function standingOf(cli: Cli): ((boxHours: number) => Standing) | null {
  const path = cli.flags.template;
  if (path === undefined) return null;
  const template: Template = named(path, () => readTemplate(textOf(cli, path)));
  return (boxHours) => named(path, () => planStanding(template, boxHours));
}

const usd = (microUsd: number): string => formatUsd(microUsd / 1e6);
const COUNTS: Readonly<Record<number, string>> = { 10000: '/10,000', 1000000: '/1M' };

/** As exact as the price page: `$0.125/1M`. */
const priceOf = ({ priceMicroUsd, per }: StandingLine): string =>
  `$${(priceMicroUsd / 1e6).toLocaleString('en-US', { minimumFractionDigits: 2, maximumFractionDigits: 4 })}${COUNTS[per] ?? ''}`;

function freeOf({ units, freeUnits }: StandingLine): string {
  if (freeUnits === 0) return 'no';
  return freeUnits === units ? 'yes' : String(freeUnits);
}

export function showStanding(cli: Cli, { lines, microUsd, withoutFreeMicroUsd, unpriced }: Standing): void {
  const rows = lines.map((line) => [
    line.what,
    quantityOf(line),
    priceOf(line),
    freeOf(line),
    usd(line.microUsd),
    usd(line.withoutFreeMicroUsd),
    line.source,
  ]);
  rows.push(['in all', '', '', '', usd(microUsd), usd(withoutFreeMicroUsd), '']);
  cli.print(table(['WHILE NOBODY WORKS', 'A MONTH', 'PRICE', 'FREE', 'COSTS', 'NOTHING FREE', 'PRICE PAGE'], rows, cli.out));
  const count = unpriced.reduce((sum, { count }) => sum + count, 0);
  cli.print(`and ${plural(count, 'resource')} of ${plural(unpriced.length, 'type')} that cost nothing then (-o json names them)\n\n`);
  for (const line of lines) for (const assumed of line.assumed) cli.say(`${line.what}: taken for ${assumed}`);
}
