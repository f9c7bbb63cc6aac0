import { resolve } from 'node:path';
import { DevctlError } from '../../contract/errors.ts';
import { POOL_MAX, parsePoolWindow, WINDOW_FORM } from '../../contract/pool.ts';
import { parseUsd } from '../../contract/units.ts';
import type { Cli } from '../cli.ts';
import { findLauncher, stopLauncher } from '../launcher-process.ts';
import { runLauncher } from '../launcher-run.ts';
import { wholeNumber } from '../numbers.ts';
import { json, pairs, plainRows } from '../output.ts';
import { span } from '../text.ts';
import { UsageError } from '../usage-error.ts';
import type { Run } from '../verb.ts';

const STOP_MS = 30_000;
const NOT_RUNNING = 3;

async function stop(cli: Cli): Promise<undefined> {
  const launcher = findLauncher(cli.home);
  if (!launcher) {
    cli.print(cli.form === 'json' ? json({ stopped: false }) : 'nothing to do: no launcher is running\n');
    return undefined;
  }
  if (!(await stopLauncher(launcher, STOP_MS))) {
    throw new DevctlError('timeout', `the launcher (process ${launcher.pid}) has not ended in ${STOP_MS / 1000} s`, {
      hint: 'see devctl logs --launcher',
    });
  }
  cli.print(
    cli.form === 'json'
      ? json({ stopped: true, pid: launcher.pid })
      : `launcher ${launcher.pid} has stopped; boxes go on, and the next command takes them up again\n`,
  );
  return undefined;
}

function status(cli: Cli): number {
  const launcher = findLauncher(cli.home);
  if (cli.form === 'json') cli.print(json({ running: launcher !== null, ...launcher }));
  else if (!launcher) cli.print(`no launcher is running (state in ${cli.tilde(cli.home.dir)})\n`);
  else if (cli.form === 'plain') cli.print(plainRows([[launcher.url, String(launcher.pid), launcher.version, launcher.startedAt]]));
  else {
    const since = Date.now() - Date.parse(launcher.startedAt);
    cli.print(
      pairs(
        [
          ['launcher', launcher.url],
          ['process', String(launcher.pid)],
          ['version', launcher.version],
          ['running for', Number.isNaN(since) ? '' : span(Math.max(0, since))],
          ['state', cli.tilde(cli.home.dir)],
        ],
        cli.out,
      ),
    );
  }
  return launcher ? 0 : NOT_RUNNING;
}

/** What the launcher is started with, looked at here so that a mistake is told in the words of the flags. */
function serveArgs(cli: Cli): string[] {
  const { flags } = cli;
  const port = flags.port === undefined ? 0 : wholeNumber(flags.port, '--port', 0, 65_535);
  const args = [
    '--home',
    cli.home.dir,
    '--port',
    String(port),
    '--host',
    flags.host ?? '127.0.0.1',
    '--provider',
    flags.provider ?? 'local',
  ];
  if (flags.config !== undefined) args.push('--config', resolve(cli.surroundings.cwd(), flags.config));
  args.push('--isolation', flags.isolation ?? 'auto');
  for (const host of flags.allowedHost ?? []) args.push('--allowed-host', host);
  for (const path of flags.readOnlyPath ?? []) args.push('--read-only-path', resolve(cli.surroundings.cwd(), path));
  if (flags.budget !== undefined) args.push('--budget', dollarsOf(flags.budget, '--budget'));
  if (flags.ownerBudget !== undefined) args.push('--owner-budget', dollarsOf(flags.ownerBudget, '--owner-budget'));
  args.push(...poolArgs(cli));
  return args;
}

function poolArgs({ flags }: Cli): string[] {
  const args: string[] = [];
  if (flags.servePool !== undefined) args.push('--pool', String(wholeNumber(flags.servePool, '--pool', 0, POOL_MAX)));
  if (flags.poolClass !== undefined) args.push('--pool-class', flags.poolClass);
  for (const text of flags.poolSchedule ?? []) {
    const window = parsePoolWindow(text);
    if (typeof window === 'string')
      throw new UsageError(`--pool-schedule ${JSON.stringify(text.slice(0, 80))} ${window}`, `write ${WINDOW_FORM}`);
    args.push('--pool-schedule', window.text);
  }
  return args;
}

function dollarsOf(text: string, name: string): string {
  if (parseUsd(text) === null)
    throw new UsageError(`${name} ${JSON.stringify(text.slice(0, 80))} is not an amount`, 'write dollars, such as 50 or 12.50');
  return text;
}

async function foreground(cli: Cli): Promise<number> {
  const args = serveArgs(cli);
  const running = findLauncher(cli.home);
  if (running) {
    throw new DevctlError('conflict', `a launcher is running on ${cli.tilde(cli.home.dir)} (process ${running.pid}, ${running.url})`, {
      hint: 'stop it with devctl serve --stop, or give another --home',
    });
  }
  const { stderr } = cli.surroundings;
  return runLauncher({
    args,
    env: cli.env,
    onLine(line) {
      if (cli.form === 'json') return cli.print(`${line}\n`);
      const url = listeningUrl(line);
      if (url === null) return cli.print(`${line}\n`);
      cli.print(`devctl launcher at ${url} · state in ${cli.tilde(cli.home.dir)}\n`);
      if (!cli.flags.quiet) cli.print(`  token  ${cli.tilde(cli.home.tokenFile)}\n  API    ${url}/docs\n  Ctrl-C stops it; boxes go on\n`);
    },
    onLog: (line) => void stderr.write(`${line}\n`),
  });
}

function listeningUrl(line: string): string | null {
  try {
    const { listening } = JSON.parse(line) as { listening?: unknown };
    return typeof listening === 'string' ? listening : null;
  } catch {
    return null;
  }
}

export const run: Run = async (cli) => {
  if (cli.flags.stop && cli.flags.serveStatus) throw new UsageError('--stop and --status cannot be given together');
  if (cli.flags.stop) return stop(cli);
  if (cli.flags.serveStatus) return status(cli);
  return foreground(cli);
};
