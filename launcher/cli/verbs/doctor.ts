import type { Check } from '../../contract/api.ts';
import { DevctlError } from '../../contract/errors.ts';
import { clockCheck, localChecks } from '../checks.ts';
import type { Cli } from '../cli.ts';
import { json, plainRows } from '../output.ts';
import { plainText } from '../text.ts';
import type { Run } from '../verb.ts';

/** What the launcher says of itself; that it does not answer is a finding, too. */
async function launcherChecks(cli: Cli): Promise<Check[]> {
  if (!cli.isRunning())
    return [{ name: 'launcher', ok: true, level: 'ok', detail: 'not running: the next command that needs it starts it', fix: null }];
  try {
    const client = await cli.client();
    const before = Date.now();
    const info = await client.call('info', {});
    const health = await client.call('readyz', {});
    const detail = `${info.provider} · ${info.isolation} · version ${info.version}`;
    const ready: Check =
      health.status === 'ok'
        ? { name: 'launcher', ok: true, level: 'ok', detail, fix: null }
        : {
            name: 'launcher',
            ok: false,
            level: 'error',
            detail: `${detail} · ${JSON.stringify(health.checks)}`,
            fix: 'see devctl logs --launcher',
          };
    const stamp = info.checks.find((check) => check.name === 'clock');
    const stampMs = stamp ? Date.parse(stamp.detail) : Number.NaN;
    return [ready, clockCheck(Number.isNaN(stampMs) ? null : stampMs, before), ...info.checks.filter((check) => check.name !== 'clock')];
  } catch (error) {
    if (!(error instanceof DevctlError)) throw error;
    return [{ name: 'launcher', ok: false, level: 'error', detail: error.detail, fix: error.extra.hint ?? 'see devctl logs --launcher' }];
  }
}

/** Of a launcher that is signed for, what that needs here, and whom it takes us for. */
async function signedChecks(cli: Cli): Promise<Check[]> {
  if (cli.target.kind !== 'remote' || !cli.target.aws) return [];
  const { awsChecks } = await import('../aws-checks.ts');
  const checks = await awsChecks(cli, cli.target.aws);
  // Without credentials there is nothing to ask the launcher with, and that is told.
  if (checks.some((check) => check.level === 'error')) return checks;
  try {
    const { owner, scopes, reach } = await (await cli.client()).call('whoami', {});
    const way = reach === 'direct' ? 'boxes are reached directly' : 'boxes are reached through the launcher';
    return [...checks, { name: 'access', ok: true, level: 'ok', detail: `owner ${owner} · may ${scopes.join(', ')} · ${way}`, fix: null }];
  } catch (error) {
    if (!(error instanceof DevctlError)) throw error;
    return [...checks, { name: 'access', ok: false, level: 'error', detail: error.detail, fix: error.extra.hint ?? null }];
  }
}

function line(cli: Cli, check: Check): string {
  const marks = { ok: cli.out.green('✓'), warn: cli.out.yellow('!'), error: cli.out.red('✗') };
  const text = `${marks[check.level]} ${plainText(check.name).padEnd(18)} ${plainText(check.detail)}\n`;
  return check.fix && check.level !== 'ok' ? `${text}  ${' '.repeat(18)} ${cli.out.bold('fix:')} ${plainText(check.fix)}\n` : text;
}

export const run: Run = async (cli) => {
  const checks = [...(await localChecks(cli.home, cli.embedded)), ...(await signedChecks(cli)), ...(await launcherChecks(cli))];
  if (cli.form === 'json') cli.print(json(checks));
  else if (cli.form === 'plain') cli.print(plainRows(checks.map((check) => [check.level, check.name, check.detail, check.fix ?? ''])));
  else for (const check of checks) cli.print(line(cli, check));
  return checks.some((check) => check.level === 'error') ? 1 : 0;
};
