import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startFailure } from '../../../launcher/cli/embedded.ts';
import { paint } from '../../../launcher/cli/output.ts';
import { errorLines, errorText, exitCode } from '../../../launcher/cli/report.ts';
import { UsageError } from '../../../launcher/cli/usage-error.ts';
import { RemoteError } from '../../../launcher/client/problems.ts';
import { DevctlError, ERRORS } from '../../../launcher/contract/errors.ts';
import { parseServeArgs } from '../../../launcher/serve/config.ts';
import { runLine } from '../../support/command-line.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'devctl-run-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

/** None of these needs a launcher. */
const run = (line: string | string[], env: Record<string, string> = {}) => runLine(dir, line, env);

describe('help', () => {
  it('shows every verb, and each with its examples', async () => {
    const overview = await run([]);
    expect(overview).toMatchObject({ code: 0, err: '' });
    expect((await run('--help')).out).toBe(overview.out);
    expect((await run('help')).out).toBe(overview.out);
    const verbs = [...overview.out.matchAll(/^ {2}([a-z-]+) {2,}/gm)].map((match) => match[1] as string);
    expect(verbs).toEqual(expect.arrayContaining(['up', 'down', 'ls', 'exec', 'shell', 'doctor', 'support-bundle']));
    for (const verb of verbs) {
      const { code, out } = await run([verb, '--help']);
      expect(code).toBe(0);
      expect(out).toContain(`devctl ${verb}`);
      expect(out).toContain('examples');
      expect((await run(['help', verb])).out).toBe(out);
    }
  });

  it('lists every setting', async () => {
    expect((await run('help settings')).out).toContain('DEVCTL_HOME');
  });
});

describe('the plan of a month', () => {
  it('compares ways to give a team boxes, with no launcher and no account', async () => {
    const shown = await run('cost --plan --developers 5 --type m7a.large --workspace-gib 60 --pool 2');
    expect(shown).toMatchObject({ code: 0, err: expect.stringContaining('more than $50.00') });
    expect(shown.out).toMatch(/^WAY +MARKET +HOURS/);
    expect(shown.out).toMatch(/^ephemeral +spot +137 /m);
    expect(shown.out).toMatch(/^persistent +on-demand/m);
    expect(shown.out).toMatch(/^always-on +on-demand +730 /m);
    expect(shown.out).toContain('$0.80 for the installation, $1.92 for the pool');
    const { ways } = JSON.parse((await run('cost --plan --json')).out) as { ways: Array<{ name: string }> };
    expect(ways.map(({ name }) => name)).toEqual(['ephemeral', 'persistent', 'always-on']);
    expect((await run('cost --plan -o plain')).out.split('\n')[0]).toMatch(/^ephemeral\t[\d.]+\t[\d.]+$/);
  });

  it.each([
    ['cost --plan --hours 800', '--hours "800" is not a number from 0 to 730'],
    ['cost --plan --type large', '--type "large" is not an instance type'],
    ['cost --plan --idle 5', '--idle "5" has no unit'],
    ['cost --developers 5', 'without --plan'],
    ['cost --month 2026-13', '--month "2026-13" is not valid'],
  ])('%s is refused', async (line, words) => {
    const { code, err } = await run(line);
    expect(code).toBe(2);
    expect(err).toContain(words);
  });
});

describe('a command line that is wrong', () => {
  it.each([
    ['upp', 2, 'error: there is no verb "upp"\n  did you mean up?\n'],
    ['--frobnicate', 2, 'error: there is no flag --frobnicate without a verb\n  see devctl help\n'],
    ['up --idle 5', 2, 'error: --idle "5" has no unit\n  write 5m or 5h (5s … 12h)\n'],
    ['up --idle 1s', 2, 'error: --idle "1s" is out of range (5s … 12h)\n'],
    ['up --max forever', 2, 'error: --max "forever" is not a duration\n  write 30m or 2h (30s … 7d)\n'],
    [
      'up --name Bad_Name',
      2,
      'error: --name "Bad_Name" is not valid\n  use 1 to 48 lower-case letters, digits and dashes, beginning and ending with a letter or digit\n',
    ],
    ['up https://me:secret@host/x', 2, 'must not carry a user or password'],
    ['up git@host:x --ref -bad', 2, '--ref "-bad" is not valid'],
    ['up ext::sh', 2, 'the address "ext::sh" is not valid\n  use https://host/path, ssh://host/path or user@host:path\n'],
    ['shell', 2, 'error: devctl shell needs a terminal on standard input\n'],
    ['exec shop', 2, 'error: there is no command\n'],
    ['exec -t shop top', 2, 'error: --tty needs a terminal on standard input\n'],
    ['exec -e 1=2 shop env', 2, 'error: --env "1" is not the name of a variable\n'],
    ['cp a b', 2, 'error: one side of a copy must be in a box'],
    ['cp BAD:x ./y', 2, 'error: "BAD" is not the name of a workspace\n  for a file here write ./BAD:x\n'],
    ['hold x --for 2d', 2, 'error: --for "2d" is out of range (10s … 1d)\n'],
    ['hold --release', 2, 'error: which hold?'],
    ['restore shop newest', 2, 'error: the snapshot "newest" is not valid\n  use a snapshot id such as snap_43\n'],
    ['fork shop --count 99', 2, 'error: --count "99" is not a number from 1 to 20\n'],
    ['fork shop --count 2 --names a', 2, 'do not agree'],
    ['logs --tail many', 2, 'error: --tail "many" is not a number from 0 to 10000\n'],
    ['logs --launcher shop', 2, 'error: --launcher goes without a session\n'],
    ['exec ./run.sh', 2, 'error: there is no command\n'],
    ['exec ./run.sh x', 2, 'for a command in the box of this folder write devctl exec -- ./run.sh x\n'],
    ['exec ls -la', 2, 'error: devctl exec has no flag -l\n  see devctl exec --help; what the command itself takes comes after --\n'],
    ['workspace foo', 2, 'error: there is no verb "foo" in devctl workspace\n  see devctl workspace --help\n'],
    ['exec cat a', 3, 'for a command in the box of this folder write devctl exec -- cat a\n'],
    ['restore', 2, 'error: devctl restore needs SNAPSHOT\n'],
    ['forward', 2, 'error: devctl forward needs PORT\n'],
    ['serve --port 99999', 2, 'error: --port "99999" is not a number from 0 to 65535\n'],
    ['serve --stop --status', 2, 'cannot be given together'],
    ['token create --scope root', 2, 'error: --scope "root" is not known\n  write read, write, admin'],
    ['token create --name=', 2, 'error: --name "" must have at least 1'],
    ['token create --expires soon', 2, 'error: --expires "soon" is not a duration'],
    ['token revoke x', 2, 'error: the id "x" is not valid\n'],
    ['completion tcsh', 2, 'error: there is no completion for "tcsh"\n  write bash, zsh, fish\n'],
    ['down --all shop', 2, 'cannot be given together'],
    ['status', 3, 'has no workspace\n'],
    ['why shop', 3, 'there is no workspace "shop"\n'],
    ['exec shop true', 3, 'there is no workspace "shop"\n'],
    ['ls --on nowhere', 2, 'error: there is no context "nowhere"\n'],
    ['ls --on local --url http://127.0.0.1:1', 2, '--url and --on cannot be given together'],
    ['ls --url ftp://x', 2, 'error: --url must begin with http:// or https://\n'],
    ['ls --url http://u:p@x', 2, 'error: --url must not carry a user or password\n'],
  ])('%s', async (line, code, words) => {
    const result = await run(line);
    expect(result.err).toContain(words);
    expect(result).toMatchObject({ code, out: '' });
  });

  it('is told as a problem document to a program', async () => {
    const { code, err } = await run('up --idle 5 -o json');
    expect(code).toBe(2);
    expect(JSON.parse(err)).toMatchObject({
      error: { code: 'invalid_request', status: 400, detail: expect.stringContaining('--idle "5"') },
    });
  });

  it.each(['dvt_a\ndvt_b', 'dvt_é'])('refuses a token that cannot be sent: %j', async (token) => {
    expect(await run('ls --url http://127.0.0.1:1', { DEVCTL_TOKEN: token })).toMatchObject({
      code: 2,
      err: expect.stringMatching(/^error: DEVCTL_TOKEN is not a token/),
    });
    expect((await run('ls --url http://127.0.0.1:1', { DEVCTL_TOKEN: 'dvt_a\n' })).err).toContain('no launcher answers');
  });

  it('names a variable that is not known', async () => {
    expect(await run('ls', { DEVCTL_HOM: 'x' })).toEqual({
      code: 2,
      out: '',
      err: 'error: the variable DEVCTL_HOM is not known\n  did you mean DEVCTL_HOME? See devctl help settings\n',
    });
  });
});

describe('common flags', () => {
  it('may stand before the verb', async () => {
    expect((await run(['-o', 'json', 'ls'])).out).toBe('[]\n');
    expect((await run(['--home', join(dir, 'x'), 'serve', '--status'])).out).toContain(join('~', 'x'));
  });
});

describe('contexts of launchers in Lambda', () => {
  const url = 'https://abc123.lambda-url.eu-central-1.on.aws';
  const nobody = { AWS_EC2_METADATA_DISABLED: 'true' };

  it('say whose credentials they sign with, and never a token', async () => {
    await run(['context', 'add', 'aws', `${url}/`, '--profile', 'dev']);
    await run(['context', 'add', 'near', 'http://127.0.0.1:1', '--aws', '--region', 'eu-west-1']);
    const [, ...stored] = JSON.parse((await run('context ls -o json')).out) as unknown[];
    expect(stored).toEqual([
      { name: 'aws', url, tokenFile: null, aws: { region: 'eu-central-1', profile: 'dev' }, current: false },
      { name: 'near', url: 'http://127.0.0.1:1', tokenFile: null, aws: { region: 'eu-west-1' }, current: false },
    ]);
    const shown = (await run('context ls')).out;
    expect(shown).toMatch(/aws +https:\S+ +signed, AWS profile dev, eu-central-1\n/);
    expect(shown).toMatch(/near +http:\S+ +signed, AWS credentials, eu-west-1\n/);
  });

  it('warn of an address that only looks like a Function URL', async () => {
    expect((await run(['context', 'add', 'aws', url])).err).not.toContain('is no Function URL');
    const { code, err } = await run(['context', 'add', 'aws', `${url}.example.com`, '--aws', '--region', 'eu-central-1']);
    expect(code).toBe(0);
    expect(err).toContain('.example.com is no Function URL');
  });

  it.each([`ls --url ${url}`, 'ls --on aws'])('%s needs credentials, and no DEVCTL_TOKEN helps', async (line) => {
    await run(['context', 'add', 'aws', url, '--profile', 'nobody']);
    const { code, err } = await run(line, { ...nobody, DEVCTL_TOKEN: 'dvt_x' });
    expect(code).toBe(4);
    expect(err).toMatch(/^error: there are no (?:AWS credentials|credentials for the AWS profile nobody)\n/);
  });
});

describe('contexts', () => {
  it('are added, used and forgotten; tokens stay where they are', async () => {
    const file = join(dir, 'token-of-team');
    writeFileSync(file, 'dvt_abc\n', { mode: 0o600 });
    expect((await run(['context', 'add', 'team', 'https://devctl.example.com/', '--token-file', file])).out).toBe(
      'context team is https://devctl.example.com\n',
    );
    expect(JSON.parse((await run('context use team --json')).out)).toEqual({ current: 'team' });
    const [local, team] = JSON.parse((await run('context ls -o json')).out);
    expect(local).toMatchObject({ name: 'local', current: false });
    expect(team).toEqual({ name: 'team', url: 'https://devctl.example.com', tokenFile: file, current: true });
    const stored = join(dir, 'state', 'contexts.json');
    expect(readFileSync(stored, 'utf8')).not.toContain('dvt_abc');
    expect(statSync(stored).mode & 0o777).toBe(0o600);
    expect((await run('context rm team')).out).toBe('context team is forgotten; local is in use\n');
    expect((await run('context rm team')).code).toBe(2);
  });

  it.each([
    ['context add local https://x', 'is the embedded launcher'],
    ['context add Team https://x', 'is not valid'],
    ['context add team nowhere', 'is not an address'],
    ['context add team https://x --token-file /no/such', 'the token file /no/such cannot be read: no such file or folder\n'],
    ['context add team https://x --token-file /', 'the token file / cannot be read: it is a folder\n'],
    ['context add team https://x --profile dev', 'is for a launcher that is signed for\n  add --aws\n'],
    ['context add team https://x --aws', 'does not say in which region it is\n  give it with --region\n'],
    ['context add team https://x --aws --region Frankfurt', '"Frankfurt" is not a region'],
    ['context add team https://a.lambda-url.eu-west-1.on.aws --token-file f', '--token-file is not for a launcher that is signed for'],
    ['context add team http://a.lambda-url.eu-west-1.on.aws --aws --region eu-west-1', 'is not https'],
    ['context use tea', 'there is no context "tea"'],
  ])('%s is refused', async (line, words) => {
    expect(await run(line)).toMatchObject({ code: 2, err: expect.stringContaining(words) });
  });
});

describe('completion', () => {
  const words = async (...typed: string[]): Promise<string[]> =>
    (await run(['__complete', '--', ...typed])).out.split('\n').filter(Boolean);

  it('knows verbs, flags, values and contexts, and starts nothing', async () => {
    expect(await words('st')).toEqual(['status']);
    expect(await words('workspace', '')).toEqual(['ls', 'show', 'delete', 'prune', 'retention', 'allow-setup']);
    expect(await words('snapshot', '')).toEqual(['create', 'ls', 'rm']);
    expect(await words('up', '--no-')).toEqual([
      '--no-persistent',
      '--no-aws',
      '--no-network',
      '--no-allow-setup',
      '--no-import',
      '--no-wait',
      '--no-color',
    ]);
    expect(await words('up', '--size', 'x')).toEqual(['xlarge']);
    expect(await words('ls', '--on', '')).toEqual(['local']);
    expect(await words('context', 'use', 'l')).toEqual(['local']);
    expect(await words('completion', '')).toEqual(['bash', 'zsh', 'fish']);
    expect(await words('down', '')).toEqual([]);
    expect(await words('nonsense', '')).toEqual([]);
    expect(await words('exec', 'shop', '--', 'np')).toEqual([]);
  });

  it.each(['bash', 'zsh', 'fish'])('has a script for %s', async (shell) => {
    expect((await run(['completion', shell])).out).toContain('devctl __complete --');
  });
});

describe('errors', () => {
  const look = paint(false);

  it('have the exit code of their kind', () => {
    for (const [code, spec] of Object.entries(ERRORS)) expect(exitCode(new DevctlError(code as keyof typeof ERRORS, 'x'))).toBe(spec.exit);
    expect(exitCode(new UsageError('x'))).toBe(2);
    expect(exitCode(new Error('x'))).toBe(1);
  });

  it('show what is wrong and what to do, on lines that nothing can forge', () => {
    expect(errorLines(new DevctlError('not_found', 'no \u001b[31mshop\nerror: forged'), look, false)).toBe(
      'error: no shop error: forged\n  check the name or id\n',
    );
    const issues = [{ field: 'idleTtl', message: 'has no unit', got: '5' }];
    expect(errorLines(new DevctlError('invalid_request', 'not valid', { issues }), look, false)).toBe(
      'error: not valid\n  idleTtl: has no unit (got 5)\n  correct the named field\n',
    );
    expect(errorText(new Error('boom'), 'table', look)).toContain('devctl support-bundle');
    const system = Object.assign(new Error("EACCES: permission denied, open '/x'"), { code: 'EACCES', path: '/x' });
    expect(errorLines(system, look, false)).toBe('error: /x: permission denied\n  devctl doctor looks at this machine\n');
  });

  it('show the request id of what went wrong inside the launcher', () => {
    const internal = new RemoteError(new DevctlError('internal', 'oops').toProblem('req_7'));
    expect(errorLines(internal, look, false)).toContain('  request req_7\n');
    const refused = new RemoteError(new DevctlError('not_found', 'no').toProblem('req_7'));
    expect(errorLines(refused, look, false)).not.toContain('req_7');
  });

  it('of a launcher that could not start are its own', () => {
    const line = JSON.stringify({ error: new DevctlError('conflict', 'port 1 is in use', { hint: 'another one' }).toProblem() });
    expect(startFailure(`{"op":"x"}\n${line}\n`, '/log')).toMatchObject({
      code: 'conflict',
      detail: 'port 1 is in use',
      extra: { hint: 'another one' },
    });
    expect(startFailure('Segmentation fault\n', '/log')).toMatchObject({
      code: 'unavailable',
      detail: expect.stringContaining('Segmentation fault'),
    });
  });
});

/** A command line to a launcher that answers this at one path. */
async function answered(path: string, answer: unknown, line: string) {
  const server = createServer((request, response) => {
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify(request.url === path ? answer : {}));
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  try {
    return await run(line, { DEVCTL_URL: url, DEVCTL_TOKEN: 'dvt_x' });
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

describe('what is left over', () => {
  it('is nothing where there never was a launcher', async () => {
    expect(await run('gc --dry-run')).toMatchObject({ code: 0, out: '0 things left over\n', err: '' });
    expect(JSON.parse((await run('gc --dry-run --json')).out)).toMatchObject({ dryRun: true, items: [], usdPerMonth: 0 });
    expect((await run('recover')).code).toBe(2);
  });

  it('is brought back with a word on what tags do not hold', async () => {
    const found = { owner: 'dev', head: 'snap_1', disk: null, snapshots: 1, quarantined: null };
    const session = 'ses_01kgzsr3yz9m2qf8e4t6w0v5ab';
    const workspaces = [
      { ...found, name: 'shop', session },
      { ...found, name: 'saved', session: null },
    ];
    const answer = { dryRun: true, complete: true, recordsMissing: true, workspaces, snapshots: 2, left: [] };
    const { err } = await answered('/recover', answer, 'recover --from-tags --dry-run');
    expect(err).toContain(
      `session ${session} comes back without secrets, a list of hosts (--egress) and --aws: if it had any, devctl down shop`,
    );
    expect(err.match(/comes back without/g)).toHaveLength(1);
  });
});

describe('the pool', () => {
  const aBox = (n: number, patch: Record<string, unknown> = {}) => ({
    id: `pool_${'0'.repeat(25)}${n}`,
    box: `i-${n}`,
    state: 'ready',
    size: 'medium',
    arch: 'x86_64',
    image: 'ami-1 lt-1',
    current: true,
    place: 'us-east-1a',
    createdAt: '2026-02-03T14:02:11.120Z',
    since: '2026-02-03T14:02:11.120Z',
    problem: null,
    ...patch,
  });
  const aPool = (patch: Record<string, unknown> = {}) => ({
    supported: true,
    wanted: 3,
    base: 1,
    schedule: ['mon-fri 08:00-19:00 Europe/Berlin=3'],
    boxSize: 'medium',
    boxes: [],
    usdPerMonth: 0,
    wantedUsdPerMonth: 2.88,
    ...patch,
  });

  /** `devctl pool` of a launcher that answers this. */
  const shown = (answer: unknown, line = 'pool') => answered('/pool', answer, line);

  it('shows each box and what it costs a month, as it is and as it is to be', async () => {
    const waiting = aBox(2, { box: null, state: 'launching', place: null, problem: 'no machine of the class medium' });
    const pool = aPool({ boxes: [aBox(1), waiting, aBox(3, { current: false })], usdPerMonth: 1.92 });
    const { code, out, err } = await shown(pool);
    expect(code).toBe(0);
    const [header, first, second, third, sum, window] = out.split('\n');
    expect(header).toMatch(/^BOX +STATE +SINCE +SIZE +ARCH +WHERE +AGE +IMAGE/);
    expect(first).toMatch(/^i-1 +ready .* medium +x86_64 +us-east-1a .* ami-1 lt-1$/);
    expect(second).toMatch(/^pool_0+2 +launching .* – /);
    expect(third).toContain('ami-1 lt-1 (old)');
    expect(sum).toBe('3 medium boxes wanted now, 1 ready · $1.92 a month as it is, $2.88 as wanted');
    expect(window).toBe('mon-fri 08:00-19:00 Europe/Berlin=3, else 1');
    expect(err).toContain('no machine of the class medium');
    expect(JSON.parse((await shown(pool, 'pool -o json')).out)).toEqual(pool);
    expect((await shown(pool, 'pool -o plain')).out.split('\n')[0]?.split('\t').slice(1, 4)).toEqual(['i-1', 'ready', 'medium']);
  });

  it('says when there is none, and when there can be none', async () => {
    expect((await shown(aPool({ wanted: 0, base: 0, schedule: [] }))).out).toBe('none: devctl serve --pool 2 keeps two boxes in reserve\n');
    expect((await shown(aPool({ supported: false, wanted: 0 }))).out).toContain('not kept in reserve');
  });

  it.each([
    ['serve --pool 101', '--pool'],
    ['serve --pool -1', '--pool'],
    ['serve --pool-class huge', '--pool-class'],
  ])('%s is refused, with the flag', async (line, flag) => {
    expect(await run(line)).toMatchObject({ code: 2, out: '', err: expect.stringContaining(flag) });
  });

  it('a window of the schedule that is none is refused, with what it should be', async () => {
    const window = 'mon-fri 08:00-19:00 Mars/Olympus=3';
    for (const { code, err } of [await run(['serve', '--pool-schedule', window]), await run('serve', { DEVCTL_POOL_SCHEDULE: window })]) {
      expect(code).toBe(2);
      expect(err).toContain('names a time zone that is not known: Mars/Olympus');
      expect(err).toContain('mon-fri 08:00-19:00 Europe/Berlin=3');
    }
  });
});

describe('the arguments of the launcher process', () => {
  const parse = (...args: string[]) => parseServeArgs(['serve', '--home', '/x', ...args], {});

  it('say which pool it keeps', () => {
    expect(parse().pool).toEqual({ base: 0, boxSize: 'medium', windows: [] });
    const { pool } = parse('--pool', '2', '--pool-class', 'large', '--pool-schedule', 'daily 08:00-09:00 UTC=4');
    expect(pool).toMatchObject({ base: 2, boxSize: 'large', windows: [{ size: 4, text: 'daily 08:00-09:00 UTC=4' }] });
  });

  it.each([
    ['pool', '1.5', 'is not a number of boxes (0 … 100)'],
    ['pool-class', 'huge', 'is not one of small, medium, large, xlarge'],
    ['pool-schedule', 'always=3', 'is not days, hours, time zone and size'],
  ])('name the field, what was got and what is allowed: --%s %s', (field, got, words) => {
    expect(() => parse(`--${field}`, got)).toThrow(
      expect.objectContaining({ code: 'invalid_request', detail: expect.stringContaining(words) }),
    );
    expect(() => parse(`--${field}`, got)).toThrow(`${field} "${got}"`);
  });

  it('have a bound on windows', () => {
    const many = Array.from({ length: 21 }, () => ['--pool-schedule', 'daily 08:00-09:00 UTC=4']).flat();
    expect(() => parse(...many)).toThrow('more than 20');
  });
});
