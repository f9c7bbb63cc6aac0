import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { AGENT_ROUTES, MACHINE_CONFIG } from '../launcher/contract/agent-config.ts';
import { BoxLog } from './box-log.ts';
import { readConfig } from './config.ts';
import { ControlLoop } from './control-loop.ts';
import { DeadlineNote } from './deadline-note.ts';
import { EvidenceLog } from './evidence-log.ts';
import { EvidenceSampler } from './evidence-sampler.ts';
import { HeardLink } from './heard-link.ts';
import { Launcher } from './launch.ts';
import { randomId } from './lazy-crypto.ts';
import type { Log, Startup } from './ports.ts';
import { Processes } from './processes.ts';
import { SecretMask } from './secret-mask.ts';
import { serveAgent } from './server.ts';
import { CommandSessions } from './sessions.ts';
import { BoxState } from './state.ts';
import { Work } from './work.ts';
import { noteFile } from './workspace-folders.ts';
import { WriteGate } from './write-gate.ts';

/** How long after it has registered an agent loads what nobody has asked for yet. */
const PREPARE_MS = 1000;
const POKE = `POST ${AGENT_ROUTES.poke}`;

const mask = new SecretMask();
// A log that cannot be written is no reason to end, and must not be told in it.
process.stdout.on('error', () => {});

const boxLog = new BoxLog();
const log: Log = (line) => boxLog.write(`[devctl] ${mask.text(line)}\n`);

/** What differs from machine to machine. */
async function startup(path: string): Promise<Startup> {
  const config = readConfig(path);
  if (config.log !== undefined) boxLog.writeTo(config.log);
  if (!('machine' in config)) return (await import('./local-machine.ts')).startInSandbox(config, log);
  return (await import('./ec2/startup.ts')).startOnInstance(config, log, mask);
}

/** The first process of devctl in a box: says that the box is up, then does what its launcher asks. */
async function main(): Promise<void> {
  const { config, link, mount, machine, role, egress, guarded, watchInterruption } = await startup(process.argv[2] ?? MACHINE_CONFIG);
  const { run } = config.paths;
  const heard = new HeardLink(link, mask, role);
  const box = new BoxState();
  // Nothing runs before it is known what may be reached.
  box.open = egress === null;
  const evidence = new EvidenceLog(mask);
  const processes = new Processes(config);
  const launcher = new Launcher(config);
  const gate = new WriteGate();
  const frozen = noteFile(config, 'frozen');
  if (frozen !== null)
    new (await import('./freezer.ts')).Freezer({ processes, gate, mount, isOpen: () => false, notePath: frozen, log }).thawLeft();
  const sessions = new CommandSessions(config, processes, noteFile(config, 'commands'));
  const sampler = new EvidenceSampler({ config, processes, sessions, evidence });
  const orders = () => heard.orders;
  const work = new Work({
    config,
    box,
    evidence,
    processes,
    sessions,
    launcher,
    gate,
    mount,
    role,
    mask,
    orders,
    log,
    said: (text) => boxLog.write(text),
  });
  const control = new ControlLoop({
    config,
    agentVersion: process.env['DEVCTL_BUILD_VERSION'] ?? 'development',
    bootId: randomId(),
    deadline: new DeadlineNote(noteFile(config, 'deadline')),
    link: heard.link,
    box,
    evidence,
    sampleEvidence: () => {
      sampler.sample();
      work.sample();
    },
    contentPresent: () => work.contentPresent(),
    prepare: (given) => work.obey(given),
    onOpen: () => void work.startDocker(),
    confine: async (given) => egress?.enforce(given.egress),
    showNotice: (notice) => sessions.notice(notice),
    mount,
    onMounted: () => {
      work.begin();
      serveAgent(join(run, 'agent', 'agent.sock'), agent);
      if (guarded !== null) serveAgent(guarded, agent);
    },
    onRegistered: () => {
      void work.services();
      // After the files of a new workspace, for which somebody waits.
      setTimeout(() => void work.services().then((loaded) => loaded.prepare()), PREPARE_MS);
    },
    quiesceForGood: () => work.quiesceForGood('hard-limit'),
    end: (reason) => machine.end(reason, () => processes.signalAll('SIGKILL')),
    log,
  });
  const agent = {
    log,
    mask,
    handler: async (key: string) => (key === POKE ? async () => control.wake() : (await work.services()).handler(key)),
    exec: async (socket: Duplex, head: Uint8Array) => (await work.services()).exec(socket, head),
    forward: async (port: number, socket: Duplex, head: Uint8Array) => (await work.services()).forward(port, socket, head),
  };
  watchInterruption((atMs) => control.interrupted(atMs));
  process.once('SIGTERM', () => void leave());
  // The workload outlives an agent that is replaced; with the machine it would be cut off in the middle.
  const leave = async () => {
    if (await machine.isGoingDown()) await work.quiesceForGood('machine').catch((error: unknown) => log(`not quiet: ${error}`));
    process.exit(0);
  };
  control.run().catch((error: unknown) => {
    log(`the agent cannot go on: ${error}`);
    process.exit(1);
  });
}

// A box with someone's work in it does not end for a fault in one request.
process.on('uncaughtException', (error) => log(`fault: ${error.stack ?? error}`));
process.on('unhandledRejection', (error) => log(`fault: ${error instanceof Error ? error.stack : error}`));
if (process.argv[2] === 'call' || process.argv[2] === 'exec') {
  void import('./command.ts').then(async ({ runCommand }) => {
    process.exitCode = await runCommand(process.argv.slice(2));
  });
} else if (process.argv[2] === 'files') {
  void import('./files-helper.ts').then(({ serveFiles }) => serveFiles((line) => process.stderr.write(`${line}\n`)));
} else {
  main().catch((error: unknown) => {
    log(`the agent could not start: ${error instanceof Error ? error.message : error}`);
    process.exit(1);
  });
}
