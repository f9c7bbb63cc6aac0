import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Container, Docker } from './docker.ts';
import { type HelperResult, runHelper } from './helper.ts';
import type { Launcher } from './launch.ts';
import { monotonicMs } from './monotonic.ts';
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
/** What is still starting has nothing to write yet, and does not hear: it gets so long after it was asked to stop. */
const START_GIVEN_UP_MS = 2_000;
const POLL_MS = 100;
/** The unit may take two minutes for each try. */
const START_FOLLOWED_MS = 300_000;
const START_POLL_MS = 500;
const REASON_MAX_CHARS = 500;

/** Runs a program of systemd. Does not throw. */
export type Systemd = (argv: [program: 'systemctl' | 'journalctl', ...words: string[]], timeoutMs: number) => Promise<HelperResult>;

interface Deps {
  launcher: Launcher;
  /** Null: nothing of the box is run by it. */
  systemd: Systemd | null;
  /** DOCKER_HOST of commands. */
  host: string | undefined;
  graceMs: number;
  log: Log;
}

/** That of this machine, where it runs the workload's Docker. */
export function systemdOf({ processes, launcher }: { processes: Processes; launcher: Launcher }): Systemd | null {
  if (launcher.user === null || !existsSync(BOOTED)) return null;
  return ([program, ...words], timeoutMs) =>
    runHelper(processes, [`/usr/bin/${program}`, ...(program === 'systemctl' ? ['--no-ask-password'] : []), ...words], { timeoutMs });
}

/** Containers of the box, asked to end all at once. What cannot be ended so is ended with Docker, and is named as killed. */
export async function stopContainers({ host, graceMs, launcher, systemd, log }: Deps): Promise<Stopped> {
  const docker = launcher.user === null ? null : Docker.at(host);
  if (docker === null || !docker.isThere) return { stopped: [], killed: [] };
  // It takes connections before it answers any.
  if ((await stateOf(systemd)) === 'activating') return { stopped: [], killed: [] };
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
export async function stopDocker({ systemd, log }: Pick<Deps, 'systemd' | 'log'>): Promise<void> {
  const state = await stateOf(systemd);
  if (systemd === null || isOff(state)) return;
  if (state === 'activating') await giveUpStart(systemd);
  const { code, stderr, cut } = await systemd(['systemctl', 'stop', DOCKER_UNIT], UNIT_STOP_MS);
  if (code !== 0) log(`${DOCKER_UNIT} ${cut ? `did not stop in ${UNIT_STOP_MS / 1000} s` : `could not be stopped: ${stderr.trim()}`}`);
}

/** Otherwise systemd waits for as long as a daemon with containers may take. */
async function giveUpStart(systemd: Systemd): Promise<void> {
  await systemd(['systemctl', 'stop', '--no-block', DOCKER_UNIT], LOOK_MS);
  const deadlineMs = monotonicMs() + START_GIVEN_UP_MS;
  while (!isOff(await stateOf(systemd))) {
    if (monotonicMs() > deadlineMs) return void (await systemd(['systemctl', 'kill', '--signal=SIGKILL', DOCKER_UNIT], LOOK_MS));
    await sleep(POLL_MS);
  }
}

/**
 * Once the workspace, which has its data, is there. An image without Docker has no such unit. Nobody waits for it; what keeps it from
 * starting is in the log of the box, as what it left behind on the disk may be the reason.
 */
export async function startDocker({ systemd, log, isWanted }: Pick<Deps, 'systemd' | 'log'> & { isWanted(): boolean }): Promise<void> {
  if (systemd === null) return;
  const { code, stderr } = await systemd(['systemctl', 'start', '--no-block', DOCKER_UNIT], LOOK_MS);
  if (code === NO_SUCH_UNIT) return;
  if (code !== 0) return log(`${DOCKER_UNIT} could not be started: ${stderr.trim()}`);
  // One that was stopped while it started, with the box, did not fail.
  if ((await hasStarted(systemd)) || !isWanted()) return;
  const { stdout } = await systemd(['journalctl', '--unit', DOCKER_UNIT, '--boot', '--lines=50', '--output=cat', '--no-pager'], LOOK_MS);
  log(`Docker of the workload does not start: ${reasonIn(stdout.toString())}; its data is in /workspace/docker`);
}

/** @returns false when a try has failed; true also when it was stopped meanwhile, or takes too long to be followed */
async function hasStarted(systemd: Systemd): Promise<boolean> {
  const deadlineMs = monotonicMs() + START_FOLLOWED_MS;
  for (let wasStarting = false; monotonicMs() < deadlineMs; ) {
    const { stdout } = await systemd(['systemctl', 'show', '--property=ActiveState,NRestarts', DOCKER_UNIT], LOOK_MS);
    const state = /^ActiveState=(.*)$/m.exec(stdout.toString())?.[1];
    if (state === 'failed' || Number(/^NRestarts=(\d+)$/m.exec(stdout.toString())?.[1] ?? 0) > 0) return false;
    // One that is inactive may wait its turn.
    if (state === 'active' || (state !== 'activating' && wasStarting)) return true;
    wasStarting = state === 'activating';
    await sleep(START_POLL_MS);
  }
  return true;
}

/** The line of a daemon's that says why it ended, or its last. */
export function reasonIn(said: string): string {
  const lines = said.split('\n').filter((line) => line.trim() !== '');
  const told = lines.findLast((line) => /failed to start daemon|level=(fatal|error)/.test(line)) ?? lines.at(-1);
  return (told ?? 'it does not say why').trim().slice(0, REASON_MAX_CHARS);
}

/** As systemd names it; empty where there is no such unit. */
async function stateOf(systemd: Systemd | null): Promise<string> {
  if (systemd === null) return '';
  const { stdout } = await systemd(['systemctl', 'show', '--property=ActiveState', '--value', DOCKER_UNIT], LOOK_MS);
  return stdout.toString().trim();
}

const isOff = (state: string): boolean => ['', 'inactive', 'failed'].includes(state);
