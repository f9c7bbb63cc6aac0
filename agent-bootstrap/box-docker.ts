import { existsSync } from 'node:fs';
import { type Container, Docker } from './docker.ts';
import { runHelper } from './helper.ts';
import type { Launcher } from './launch.ts';
import type { Log } from './ports.ts';
import type { Processes } from './processes.ts';
import { DOCKER_UNIT } from './scope.ts';
import { NAMES_MAX, type Stopped } from './stop-workload.ts';

/** systemd is the first process of this machine. Source: sd_booted(3). */
const BOOTED = '/run/systemd/system';
/** Exit code of systemctl. Source: systemctl(1), from LSB. */
const NO_SUCH_UNIT = 5;
const UNIT_STOP_MS = 20_000;
const LOOK_MS = 3_000;

interface Deps {
  processes: Processes;
  launcher: Launcher;
  /** DOCKER_HOST of commands. */
  host: string | undefined;
  graceMs: number;
  log: Log;
}

/** Containers of the box, asked to end all at once. What cannot be ended so is ended with Docker, and is named as killed. */
export async function stopContainers({ host, graceMs, launcher, log }: Deps): Promise<Stopped> {
  const docker = launcher.user === null ? null : Docker.at(host);
  if (docker === null || !docker.isThere) return { stopped: [], killed: [] };
  let found: Container[];
  try {
    found = await docker.running();
  } catch (error) {
    log(`Docker does not say what runs: ${(error as Error).message}`);
    return { stopped: [], killed: [] };
  }
  const graceS = Math.ceil(graceMs / 1000);
  const outcomes = await Promise.allSettled(found.map((container) => docker.stop(container, graceS)));
  const named = (byItself: boolean) =>
    found
      .filter((_, index) => isTrue(outcomes[index]) === byItself)
      .map(({ name }) => `container ${name}`)
      .slice(0, NAMES_MAX);
  return { stopped: named(true), killed: named(false) };
}

const isTrue = (outcome: PromiseSettledResult<boolean> | undefined): boolean => outcome?.status === 'fulfilled' && outcome.value;

/** Docker itself, where systemd runs it for the box. What is left of it is killed with the rest. */
export async function stopDocker({ processes, launcher, log }: Pick<Deps, 'processes' | 'launcher' | 'log'>): Promise<void> {
  if (launcher.user === null || !existsSync(BOOTED)) return;
  const { stdout } = await runHelper(processes, systemctl('show', '--property=ActiveState', '--value', DOCKER_UNIT), {
    timeoutMs: LOOK_MS,
  });
  if (/^(inactive|failed)?\s*$/.test(stdout.toString())) return;
  const { code, stderr, cut } = await runHelper(processes, systemctl('stop', DOCKER_UNIT), { timeoutMs: UNIT_STOP_MS });
  if (code !== 0) log(`${DOCKER_UNIT} ${cut ? `did not stop in ${UNIT_STOP_MS / 1000} s` : `could not be stopped: ${stderr.trim()}`}`);
}

/** Once the workspace, which has its data, is there. An image without Docker has no such unit. Nobody waits for it. */
export async function startDocker({ processes, launcher, log }: Pick<Deps, 'processes' | 'launcher' | 'log'>): Promise<void> {
  if (launcher.user === null || !existsSync(BOOTED)) return;
  const { code, stderr } = await runHelper(processes, systemctl('start', '--no-block', DOCKER_UNIT), { timeoutMs: LOOK_MS });
  if (code !== 0 && code !== NO_SUCH_UNIT) log(`${DOCKER_UNIT} could not be started: ${stderr.trim()}`);
}

const systemctl = (...words: string[]): [string, ...string[]] => ['/usr/bin/systemctl', '--no-ask-password', ...words];
