// The documents that are derived from the code. `.ci/generate.mjs` bundles this file and writes what it gives.
import { openApiDocument } from '../launcher/api/openapi.ts';
import { settings } from '../launcher/cli/flags.ts';
import { ERRORS, type ErrorCode } from '../launcher/contract/errors.ts';
import { PHASES, type Phase } from '../launcher/contract/phases.ts';
import { exampleTable } from '../test/infra/policies.table.ts';
import { WHO, type Who } from '../test/infra/table/rows.ts';
import { deployedDocuments } from './deployed.ts';
import { synthesize } from './deployment.ts';
import { page, table } from './markdown.ts';

function errorsPage(): string {
  const rows = (Object.keys(ERRORS) as ErrorCode[]).map((code) => {
    const { status, retryable, exit, title, hint } = ERRORS[code];
    return [`\`${code}\``, status, retryable ? 'yes' : 'no', exit, title, hint];
  });
  return page(
    'Errors',
    'Every error answer is an RFC 9457 problem document with one of these codes; the last column but two is the exit code of the CLI.',
    table(['code', 'status', 'retryable', 'exit', 'title', 'what to do'], rows),
  );
}

function transitionsPage(): string {
  const phases = Object.entries(PHASES) as Array<[Phase, (typeof PHASES)[Phase]]>;
  const edges = phases.flatMap(([from, { next }]) => next.map((to) => `    ${from} --> ${to}`));
  const finals = phases.filter(([, { next }]) => next.length === 0).map(([phase]) => `    ${phase} --> [*]`);
  const diagram = ['```mermaid', 'stateDiagram-v2', '    [*] --> requested', ...edges, ...finals, '```'].join('\n');
  const rows = phases.map(([phase, { about, next }]) => [phase, about, next.join(', ') || 'none: it is over']);
  return page('Phases of a session', diagram, table(['phase', 'what it means', 'may become'], rows));
}

function configPage(): string {
  const rows = settings().map(({ env, flag, about, fallback }) => [`\`${env}\``, flag === '' ? '' : `\`${flag}\``, about, fallback]);
  return page('Settings', 'A flag wins over its variable.', table(['variable', 'flag', 'what it does', 'default'], rows));
}

function policiesPage(): string {
  const all = exampleTable();
  const parts = (Object.entries(WHO) as Array<[Who, string]>).flatMap(([who, about]) => {
    const rows = all.filter((each) => each.who === who).sort((a, b) => a.answer.localeCompare(b.answer));
    const line = ({ answer, name, action }: (typeof rows)[number]) => [answer === 'allowed' ? 'may' : 'may not', name, `\`${action}\``];
    return [`## ${who}: ${about}`, table(['', 'what', 'action'], rows.map(line))];
  });
  return page(
    'Who may do what',
    'Each row is asked of the policies in the synthesized template, and of the roles of the CDK beside it (test/infra/policies.test.ts).',
    ...parts,
  );
}

/** Path below docs/generated and text of each document; `root` is the folder of the repository. */
export const documents = (version: string, root: string): Record<string, string> => ({
  'openapi.json': `${JSON.stringify(openApiDocument(version), null, 2)}\n`,
  'errors.md': errorsPage(),
  'transitions.md': transitionsPage(),
  'config.md': configPage(),
  'policies.md': policiesPage(),
  ...deployedDocuments(synthesize(root).template),
});
