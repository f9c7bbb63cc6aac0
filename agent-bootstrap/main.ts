import { randomUUID } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { AGENT_ROUTES } from '../launcher/contract/agent-config.ts';
import { readStartup } from './config.ts';
import { ControlLoop } from './control-loop.ts';
import { EvidenceLog } from './evidence-log.ts';
import { socketLink } from './launcher-link.ts';
import { mountedWorkspace, sandboxMachine } from './local-machine.ts';
import type { Log } from './ports.ts';
import { Processes } from './processes.ts';
import { type Handler, serveAgent } from './server.ts';
import { CommandSessions } from './sessions.ts';
import { BoxState } from './state.ts';

const log: Log = (line) => process.stdout.write(`[devctl] ${line}\n`);

function main(): void {
  const { config, token } = readStartup(process.argv[2] ?? '/opt/devctl/box.json');
  const { workspace, run } = config.paths;
  mountedWorkspace(workspace).prepare();
  const box = new BoxState();
  const evidence = new EvidenceLog();
  const processes = new Processes(config);
  const sessions = new CommandSessions(config);
  const machine = sandboxMachine(log, () => processes.signalAll('SIGKILL'));
  const control = new ControlLoop({
    config,
    agentVersion: process.env['DEVCTL_BUILD_VERSION'] ?? 'development',
    bootId: randomUUID(),
    link: socketLink(join(run, 'launcher.sock'), token),
    box,
    evidence,
    sampleEvidence: () => {},
    contentPresent: () => readdirSync(join(workspace, 'src')).length > 0,
    prepare: () => {
      if (box.state === 'preparing') box.change({ state: 'ready' });
    },
    showNotice: (notice) => sessions.notice(notice),
    quiesceForGood: async () => {},
    machine,
    log,
  });
  const handlers = new Map<string, Handler>([
    [`GET ${AGENT_ROUTES.status}`, async () => ({ state: box.state, open: box.open, registeredAfterMs: box.registeredAfterMs })],
    [`POST ${AGENT_ROUTES.poke}`, async () => control.wake()],
  ]);
  serveAgent(
    join(run, 'agent.sock'),
    handlers,
    (socket, head) => void import('./exec.ts').then(({ handleExec }) => handleExec({ sessions, box, evidence, log }, socket, head)),
    log,
  );
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
