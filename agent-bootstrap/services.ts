import type { Duplex } from 'node:stream';
import { AGENT_ROUTES, type BoxConfig } from '../launcher/contract/agent-config.ts';
import type { Orders } from '../launcher/contract/box.ts';
import type { EvidenceLog } from './evidence-log.ts';
import { Files } from './files.ts';
import type { FilesProxy } from './files-proxy.ts';
import type { Launcher } from './launch.ts';
import { pathOf, resolveInBox } from './paths.ts';
import type { Log, MachineRole, WorkspaceMount } from './ports.ts';
import type { Processes } from './processes.ts';
import type { Saving } from './saving.ts';
import type { SecretMask } from './secret-mask.ts';
import type { Secrets } from './secrets.ts';
import type { Handler } from './server.ts';
import type { CommandSessions } from './sessions.ts';
import type { Staging } from './staging.ts';
import type { BoxState } from './state.ts';
import type { WriteGate } from './write-gate.ts';

export interface ServiceDeps {
  config: BoxConfig;
  box: BoxState;
  evidence: EvidenceLog;
  processes: Processes;
  sessions: CommandSessions;
  launcher: Launcher;
  staging: Staging;
  gate: WriteGate;
  mount: WorkspaceMount;
  role: MachineRole | null;
  mask: SecretMask;
  /** What the launcher said last. */
  orders: () => Orders | null;
  log: Log;
  /** Takes what a program says into the log as it is. */
  said: (text: string) => void;
}

/** What the agent does for its launcher on request. All but taking files in is loaded when it is first wanted. */
export class Services {
  readonly #deps: ServiceDeps;
  readonly #files: Copying;
  #saving: Promise<Saving> | null = null;
  #secrets: Promise<Secrets> | null = null;

  constructor(deps: ServiceDeps) {
    this.#deps = deps;
    this.#files = copying(deps);
  }

  async handler(key: string): Promise<Handler | undefined> {
    return (await this.#files.handlers()).get(key) ?? (await this.saving()).handlers.get(key);
  }

  saving(): Promise<Saving> {
    this.#saving ??= import('./saving.ts').then(async ({ makeSaving }) =>
      makeSaving({ ...this.#deps, secrets: await this.secrets(), endFiles: () => this.#files.end() }),
    );
    return this.#saving;
  }

  secrets(): Promise<Secrets> {
    this.#secrets ??= import('./secrets.ts').then((loaded) => new loaded.Secrets(this.#deps));
    return this.#secrets;
  }

  async exec(socket: Duplex, head: Uint8Array): Promise<void> {
    const { handleExec } = await import('./exec.ts');
    handleExec({ ...this.#deps, secrets: () => this.secrets() }, socket, head);
  }

  async forward(port: number, socket: Duplex, head: Uint8Array): Promise<void> {
    const { forwardPort } = await import('./forward.ts');
    await forwardPort(port, socket, head);
  }

  /** Loads everything, so that nobody waits for it later. */
  async prepare(): Promise<void> {
    await Promise.all([this.saving(), import('./exec.ts')]);
  }
}

/** Files in and out, and the log. */
interface Copying {
  handlers(): Promise<ReadonlyMap<string, Handler>>;
  /** Ends what is being copied, where that is done by somebody else. */
  end(): Promise<void>;
}

function copying(deps: ServiceDeps): Copying {
  const { config } = deps;
  const logs: Handler = async (_incoming, url, answer) => (await import('./logs.ts')).sendLog(config.log, url, answer);
  const withLogs = (map: ReadonlyMap<string, Handler>) => new Map([...map, [`GET ${AGENT_ROUTES.logs}`, logs] as const]);
  if (config.user === null) {
    const handlers = withLogs(fileHandlers(deps));
    return { handlers: async () => handlers, end: async () => {} };
  }
  let proxy: Promise<FilesProxy> | null = null;
  const loaded = () => {
    proxy ??= import('./files-proxy.ts').then(({ FilesProxy }) => new FilesProxy(deps));
    return proxy;
  };
  return { handlers: async () => withLogs((await loaded()).handlers), end: async () => (await proxy)?.end() };
}

/** In a box whose workload is the agent's own user, the agent copies. */
function fileHandlers({ config, box, gate, log }: ServiceDeps): ReadonlyMap<string, Handler> {
  const files = new Files({ config, box, gate });
  return new Map<string, Handler>([
    [`PUT ${AGENT_ROUTES.import}`, async (incoming) => files.import(incoming)],
    [`PUT ${AGENT_ROUTES.files}`, async (incoming, url) => files.put(pathOf(url), incoming)],
    [
      `GET ${AGENT_ROUTES.files}`,
      async (_incoming, url, answer) => {
        const { sendPath } = await import('./pack.ts');
        return sendPath(resolveInBox(config.paths.workspace, pathOf(url)), answer, log);
      },
    ],
  ]);
}
