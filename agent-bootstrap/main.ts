import { join } from 'node:path';
import { AGENT_ROUTES } from '../launcher/contract/agent-config.ts';
import { readStartup } from './config.ts';
import { ControlLoop } from './control-loop.ts';
import { EvidenceLog } from './evidence-log.ts';
import { EvidenceSampler } from './evidence-sampler.ts';
import { socketLink } from './launcher-link.ts';
import { randomId } from './lazy-crypto.ts';
import { mountedWorkspace, sandboxMachine } from './local-machine.ts';
import type { Log } from './ports.ts';
import { Preparer } from './preparer.ts';
import { Processes } from './processes.ts';
import { serveAgent } from './server.ts';
import type { Services } from './services.ts';
import { CommandSessions } from './sessions.ts';
import { BoxState } from './state.ts';
import { WriteGate } from './write-gate.ts';

/** How long after it has registered an agent loads what nobody has asked for yet. */
const PREPARE_MS = 1000;
const POKE = `POST ${AGENT_ROUTES.poke}`;

const log: Log = (line) => process.stdout.write(`[devctl] ${line}\n`);

/** The first process of devctl in a box: says that the box is up, then does what its launcher asks. */
function main(): void {
  const { config, token } = readStartup(process.argv[2] ?? '/opt/devctl/box.json');
  const { workspace, run } = config.paths;
  mountedWorkspace(workspace).prepare();
  const box = new BoxState();
  const evidence = new EvidenceLog();
  const processes = new Processes(config);
  const sessions = new CommandSessions(config);
  const sampler = new EvidenceSampler(processes, sessions, evidence);
  const preparer = new Preparer({ config, box, evidence, log });
  const gate = new WriteGate();
  const deps = { config, box, evidence, processes, sessions, gate, log };
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
    link: socketLink(join(run, 'launcher.sock'), token),
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
    machine: sandboxMachine(log, () => processes.signalAll('SIGKILL')),
    log,
  });
  serveAgent(join(run, 'agent', 'agent.sock'), {
    log,
    handler: async (key) => (key === POKE ? async () => control.wake() : (await later()).handler(key)),
    exec: async (socket, head) => (await later()).exec(socket, head),
  });
  void control.run();
}

// A box with someone's work in it does not end for a fault in one request.
process.on('uncaughtException', (error) => log(`fault: ${error.stack ?? error}`));
process.on('unhandledRejection', (error) => log(`fault: ${error instanceof Error ? error.stack : error}`));
try {
  main();
} catch (error) {
  log(`the agent could not start: ${error instanceof Error ? error.message : error}`);
  process.exit(1);
}
