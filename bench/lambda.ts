import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { deflateRawSync } from 'node:zlib';
import type { LambdaSettingsInput } from '../launcher/serve/lambda-settings.ts';
import { timeOf } from './command.ts';
import type { Context } from './context.ts';
import { interleave, ratiosOf, type Section } from './measure.ts';

const NODE = 'node -e 0';
const IMPORT = 'import of dist/lambda';
const WHOLE = 'import of all its files';

/** What is wanted at most: of the zipped functions, and of an import beyond Node itself. */
const ZIPPED_AIM_BYTES = 1024 ** 2;
const IMPORT_AIM_MS = 150;

const SETTINGS: LambdaSettingsInput = {
  deployment: 'devctl',
  region: 'eu-central-1',
  table: 'devctl',
  subnets: [{ id: 'subnet-0123456789abcdef0', az: 'eu-central-1a' }],
  launchTemplates: { arm64: 'devctl-arm64' },
  imageParameters: { arm64: '/devctl/image/arm64' },
  masterSecret: 'arn:aws:secretsmanager:eu-central-1:123456789012:secret:devctl/launcher-AbCdEf',
  eventsFunction: 'devctl-events',
  boxRole: 'devctl-box',
  adminRole: 'devctl-admin',
  volumeGiB: 64,
  ttl: '72h',
};

/** What Lambda gives a program that streams its answers. */
const RUNTIME = 'globalThis.awslambda = { streamifyResponse: (handler) => handler, HttpResponseStream: { from: (stream) => stream } };';

/** The launcher in Lambda before its first request: how much there is to fetch, and how long until its handlers are there. */
export async function lambdaSection({ root, quick }: Context): Promise<Section> {
  const folder = join(root, 'dist/lambda');
  const files = readdirSync(folder);
  const contents = files.map((file) => readFileSync(join(folder, file)));
  const bytes = contents.reduce((sum, content) => sum + content.length, 0);
  const zipped = contents.reduce((sum, content) => sum + deflateRawSync(content, { level: 9 }).length, 0);
  const env = { PATH: process.env['PATH'], AWS_REGION: SETTINGS.region, DEVCTL_SETTINGS: JSON.stringify(SETTINGS) };
  const load = (names: readonly string[]) => () => {
    const imports = names.map((name) => `import(${JSON.stringify(join(folder, name))})`);
    return timeOf([process.execPath, '-e', `${RUNTIME} Promise.all([${imports.join(', ')}])`], { env });
  };
  const subjects = [
    { name: NODE, once: () => timeOf([process.execPath, '-e', '0'], { env }) },
    { name: IMPORT, once: load(['index.mjs']) },
    { name: WHOLE, once: load(files) },
  ];
  const rows = await interleave(subjects, quick ? 5 : 20);
  const beyond = (of: 'median' | 'min') => Math.round((rows[1]?.[of] ?? 0) - (rows[0]?.[of] ?? 0));
  const kib = (size: number) => `${Math.round(size / 1024)} KiB`;
  return {
    title: 'The launcher in Lambda',
    rows,
    ratios: ratiosOf(rows, [
      [IMPORT, NODE],
      [WHOLE, NODE],
    ]),
    notes: [
      `${kib(zipped)} zipped (≤ ${kib(ZIPPED_AIM_BYTES)}), ${kib(bytes)} in ${files.length} files.`,
      `An import takes ${beyond('median')} ms beyond Node itself by the medians, ${beyond('min')} by the best (≤ ${IMPORT_AIM_MS}).`,
    ],
    missing: [],
  };
}
