import { join } from 'node:path';
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
import { CommandSessions } from './sessions.ts';
import { BoxState } from './state.ts';
import { WriteGate } from './write-gate.ts';

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
  const later = () => import('./services.ts').then(({ servicesOf }) => servicesOf(deps));
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
    onRegistered: () => void later(),
    quiesceForGood: async () => void (await (await later()).quiescer.quiesce(`hard-limit-${config.generation}`)),
    machine: sandboxMachine(log, () => processes.signalAll('SIGKILL')),
    log,
  });
  serveAgent(join(run, 'agent', 'agent.sock'), {
    log,
    handler: async (key) => (await later()).handlers(() => control.wake()).get(key),
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
