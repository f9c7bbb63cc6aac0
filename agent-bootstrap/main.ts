import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { AGENT_ROUTES, MACHINE_CONFIG } from '../launcher/contract/agent-config.ts';
import { readConfig } from './config.ts';
import { ControlLoop } from './control-loop.ts';
import { EvidenceLog } from './evidence-log.ts';
import { EvidenceSampler } from './evidence-sampler.ts';
import { HeardLink } from './heard-link.ts';
import { randomId } from './lazy-crypto.ts';
import type { Log, Startup } from './ports.ts';
import { Preparer } from './preparer.ts';
import { Processes } from './processes.ts';
import { SecretMask } from './secret-mask.ts';
import { serveAgent } from './server.ts';
import type { Services } from './services.ts';
import { CommandSessions } from './sessions.ts';
import { BoxState } from './state.ts';
import { WriteGate } from './write-gate.ts';

/** How long after it has registered an agent loads what nobody has asked for yet. */
const PREPARE_MS = 1000;
const POKE = `POST ${AGENT_ROUTES.poke}`;

const mask = new SecretMask();
const log: Log = (line) => process.stdout.write(`[devctl] ${mask.text(line)}\n`);

/** What differs from machine to machine. */
async function startup(path: string): Promise<Startup> {
  const config = readConfig(path);
  if (!('machine' in config)) return (await import('./local-machine.ts')).startInSandbox(config, log);
  return (await import('./ec2/startup.ts')).startOnInstance(config, log, mask);
}

/** The first process of devctl in a box: says that the box is up, then does what its launcher asks. */
async function main(): Promise<void> {
  const { config, link, mount, machine, role, guarded, watchInterruption } = await startup(process.argv[2] ?? MACHINE_CONFIG);
  const { run } = config.paths;
  mount.prepare();
  const heard = new HeardLink(link, mask, role);
  const box = new BoxState();
  const evidence = new EvidenceLog();
  const processes = new Processes(config);
  const sessions = new CommandSessions(config);
  const sampler = new EvidenceSampler(processes, sessions, evidence);
  const preparer = new Preparer({ config, box, evidence, mask, log });
  const gate = new WriteGate();
  const deps = { config, box, evidence, processes, sessions, gate, role, mask, orders: () => heard.orders, log };
  // Everything that registering does not need is loaded after it.
  let services: Promise<Services> | null = null;
  const later = () => {
    services ??= import('./services.ts').then((loaded) => new loaded.Services(deps));
    return services;
  };
  const control = new ControlLoop({
    config,
    agentVersion: process.env['DEVCTL_BUILD_VERSION'] ?? 'development',
    bootId: randomId(),
    link: heard.link,
    box,
    evidence,
    sampleEvidence: () => {
      sampler.sample();
      preparer.sample();
    },
    contentPresent: () => preparer.contentPresent(),
    prepare: (orders) => preparer.obey(orders),
    showNotice: (notice) => sessions.notice(notice),
    onRegistered: () => {
      void later();
      // After the files of a new workspace, for which somebody waits.
      setTimeout(() => void later().then((loaded) => loaded.prepare()), PREPARE_MS);
    },
    quiesceForGood: async () => {
      const { quiescer } = await (await later()).saving();
      await quiescer.quiesce(`hard-limit-${config.generation}`);
    },
    end: (reason) => machine.end(reason, () => processes.signalAll('SIGKILL')),
    log,
  });
  const agent = {
    log,
    mask,
    handler: async (key: string) => (key === POKE ? async () => control.wake() : (await later()).handler(key)),
    exec: async (socket: Duplex, head: Uint8Array) => (await later()).exec(socket, head),
  };
  serveAgent(join(run, 'agent', 'agent.sock'), agent);
  if (guarded !== null) serveAgent(guarded, agent);
  watchInterruption((atMs) => control.interrupted(atMs));
  void control.run();
}

// A box with someone's work in it does not end for a fault in one request.
process.on('uncaughtException', (error) => log(`fault: ${error.stack ?? error}`));
process.on('unhandledRejection', (error) => log(`fault: ${error instanceof Error ? error.stack : error}`));
if (process.argv[2] === 'call' || process.argv[2] === 'exec') {
  void import('./command.ts').then(async ({ runCommand }) => {
    process.exitCode = await runCommand(process.argv.slice(2));
  });
} else {
  main().catch((error: unknown) => {
    log(`the agent could not start: ${error instanceof Error ? error.message : error}`);
    process.exit(1);
  });
}
