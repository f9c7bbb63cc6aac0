import type { Costs, OwnerCost } from '../../contract/costs.ts';
import { costsQuerySchema } from '../../contract/costs.ts';
import { formatUsd } from '../../contract/units.ts';
import type { Cli } from '../cli.ts';
import { json, plainRows, table } from '../output.ts';
import { plainText, plural } from '../text.ts';
import { UsageError } from '../usage-error.ts';
import { check } from '../validate.ts';
import type { Run } from '../verb.ts';

const hours = (value: number): string => value.toFixed(1);

function workspaceRows(owner: OwnerCost): string[][] {
  return owner.workspaces.map((workspace) => [
    workspace.name,
    String(workspace.sessions),
    hours(workspace.boxHours),
    formatUsd(workspace.boxesUsd),
    formatUsd(workspace.disksUsd),
    formatUsd(workspace.snapshotsUsd),
    formatUsd(workspace.usd),
  ]);
}

const HEADER = ['WORKSPACE', 'SESSIONS', 'BOX HOURS', 'BOXES', 'DISKS', 'SNAPSHOTS', 'IN ALL'];

/** What was spent, what it comes to, and how much of the budget that is. */
function sums({
  usd,
  projectedUsd,
  perHourUsd,
  about,
  budget,
}: Omit<OwnerCost, 'owner' | 'workspaces' | 'sessions' | 'moreSessions'>): string {
  const parts = [`${about ? 'about ' : ''}${formatUsd(usd)}`];
  if (projectedUsd > usd) parts.push(`${formatUsd(projectedUsd)} by the end of the month if it goes on so`);
  if (perHourUsd > 0) parts.push(`${formatUsd(perHourUsd)} an hour now`);
  if (budget) parts.push(`${Math.floor(budget.spent * 100)} % of the budget of ${formatUsd(budget.usd)}`);
  return parts.join(' · ');
}

/** The same thresholds as sessions are told of. */
function warnOf(cli: Cli, budget: Costs['budget'], whose: string): void {
  if (budget === null || budget.spent < 0.8) return;
  if (budget.spent < 1) cli.warn(`${whose} is nearly spent: once it is, no new session is leased`);
  else
    cli.warn(`${whose} is spent: no new session is leased until next month, or until it is raised (devctl serve --help); live ones go on`);
}

function showCosts(cli: Cli, costs: Costs): void {
  const isTeam = cli.flags.costAll === true;
  for (const owner of costs.owners) {
    if (isTeam) cli.print(`${cli.out.bold(plainText(owner.owner))}  ${sums(owner)}\n`);
    if (owner.workspaces.length > 0) cli.print(table(HEADER, workspaceRows(owner), cli.out));
    if (isTeam) cli.print('\n');
  }
  cli.print(`${costs.month}  ${sums(costs)}\n`);
  warnOf(cli, costs.budget, 'the budget of all owners together');
  if (!isTeam) warnOf(cli, costs.owners[0]?.budget ?? null, 'your budget');
  const dearest = costs.owners.flatMap(({ sessions }) => sessions).filter(({ live }) => live);
  if (dearest.length > 0) cli.say(`${plural(dearest.length, 'session')} live: see devctl ls`);
}

export const run: Run = async (cli) => {
  if (cli.flags.plan) return (await import('./cost-plan.ts')).run(cli);
  const given = (['developers', 'hours', 'workspaceGib', 'pool', 'planType', 'size', 'idle', 'template'] as const).find((flag) =>
    cli.given.has(flag),
  );
  if (given !== undefined) throw new UsageError('what a plan is made of is given without --plan', 'add --plan, or leave them out');
  const query = {
    ...(cli.flags.month !== undefined && { month: cli.flags.month }),
    owners: cli.flags.costAll ? ('all' as const) : ('me' as const),
  };
  check(costsQuerySchema, query, { month: '--month' });
  const costs = await (await cli.client()).call('costs', { query });
  if (cli.form === 'json') cli.print(json(costs));
  else if (cli.form === 'plain') {
    const rows = costs.owners.flatMap(({ owner, workspaces }) =>
      workspaces.map((workspace) => [
        costs.month,
        owner,
        workspace.name,
        String(workspace.sessions),
        String(workspace.boxHours),
        String(workspace.usd),
      ]),
    );
    cli.print(plainRows(rows));
  } else if (costs.free && costs.usd === 0) cli.print('nothing: boxes of this launcher are processes of its machine, and cost no money\n');
  else showCosts(cli, costs);
  return undefined;
};
