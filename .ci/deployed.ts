// The pages of what is deployed: a picture of it, what is in it, and what it costs.
import { planMonth, type Team, TYPE_OF_SIZE } from '../launcher/contract/plan.ts';
import { planStanding, quantityOf, type StandingLine } from '../launcher/contract/plan-standing.ts';
import type { Template } from '../launcher/contract/plan-template.ts';
import { formatUsd } from '../launcher/contract/units.ts';
import { page, table } from './markdown.ts';
import { type Graph, graphOf } from './picture/graph.ts';
import { GROUPS, type GroupKey } from './picture/parts.ts';
import { svgOf } from './picture/svg.ts';

const EXAMPLE = '[the example of a target](../target.example.json)';
const usd = (microUsd: number): string => formatUsd(microUsd / 1e6);

function countedTypes(template: Template, ids: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const { type } of template.resources.filter(({ id }) => ids.includes(id))) counts.set(type, (counts.get(type) ?? 0) + 1);
  return [...counts].map(([type, count]) => `${count > 1 ? `${count} × ` : ''}\`${type}\``).join(', ');
}

function deployedPage(template: Template, graph: Graph): string {
  const rows = (Object.keys(GROUPS) as GroupKey[]).flatMap((key) =>
    graph.nodes
      .filter(({ group, resources }) => group === key && resources.length > 0)
      .map(({ title, lines, resources }) => [GROUPS[key], title, lines.join('; '), countedTypes(template, resources)]),
  );
  const drawn = new Set(graph.nodes.flatMap(({ resources }) => resources));
  const rest = template.resources.filter(({ id }) => !drawn.has(id)).map(({ id }) => id);
  return page(
    'What is deployed',
    `Drawn from the template that \`npm run deploy\` makes of ${EXAMPLE}: ${template.resources.length} resources. The arrows are what refers to what in it, and what its policies allow.`,
    '![Who calls the launcher, what it keeps, what it starts, and who is told](deployed.svg)',
    table(['group', 'what', 'of it', 'resources'], rows),
    `What joins these, and is not drawn by itself: ${countedTypes(template, rest)}.`,
  );
}

const TEAM: Team = { developers: 1, hours: 126, type: TYPE_OF_SIZE.medium, workspaceGiB: 60, idleTtlMs: 0, keepVolumeMs: 0, pool: 0 };

function freeOf({ units, freeUnits }: StandingLine): string {
  if (freeUnits === 0) return 'no';
  return freeUnits === units ? 'yes' : 'in part';
}

function costsPage(template: Template): string {
  const { lines, microUsd, withoutFreeMicroUsd } = planStanding(template);
  const rows = lines.map((line) => [
    line.what,
    quantityOf(line),
    line.assumed.join('; '),
    freeOf(line),
    usd(line.microUsd),
    usd(line.withoutFreeMicroUsd),
    line.source,
  ]);
  const { poolMicroUsd } = planMonth({ ...TEAM, pool: 1 });
  const months = [0, 1, 3, 5].map((developers) => {
    const [ephemeral, , alwaysOn] = planMonth({ ...TEAM, developers }, (boxHours) => planStanding(template, boxHours).microUsd).ways;
    return [developers === 0 ? 'nobody' : developers, usd(ephemeral?.teamMicroUsd ?? 0), usd(alwaysOn?.teamMicroUsd ?? 0)];
  });
  return page(
    'What it costs',
    `A month in us-east-1 of what \`npm run deploy\` makes of ${EXAMPLE}, computed from its template. \`devctl cost --plan --template FILE\` does the same for yours.`,
    '## With people',
    `Each works ${TEAM.hours} hours a month in a box of ${TEAM.type}, spot, with a disk of ${TEAM.workspaceGiB} GiB that one snapshot keeps; beside it, as many machines of that type day and night, on demand.`,
    table(['developers', 'all of it', 'machines day and night'], months),
    '## While nobody works',
    `${usd(microUsd)}; ${usd(withoutFreeMicroUsd)} where something else of the account uses up what it has free. A box in reserve is ${usd(poolMicroUsd)} more for a whole month. What the template does not say is taken for what stands beside it.`,
    table(['what', 'a month', 'taken for', 'free', 'costs', 'with nothing free', 'price page'], rows),
  );
}

/** Names and texts of the pages, below docs/generated. */
export function deployedDocuments(template: Template): Record<string, string> {
  const graph = graphOf(template);
  return {
    'deployed.svg': svgOf(graph, 'What a deployment of devctl has in an AWS account'),
    'deployed.md': deployedPage(template, graph),
    'costs.md': costsPage(template),
  };
}
