import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { delimiter, join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Duplex } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Check } from '../contract/api.ts';
import { good, warn } from '../contract/checks.ts';
import { DevctlError } from '../contract/errors.ts';
import { ReachError } from './errors.ts';

export const PLUGIN = 'session-manager-plugin';
/** Document of AWS that forwards any port of an instance. */
export const PORT_DOCUMENT = 'AWS-StartPortForwardingSession';
const PLUGIN_PAGE = 'https://docs.aws.amazon.com/systems-manager/latest/userguide/session-manager-working-with-install-plugin.html';
/** Who runs the plugin: a launcher, on some machine, or a command on this one. */
type Place = 'launcher' | 'here';
const hintFor = (place: Place): string => `install it ${place === 'here' ? 'on this machine' : 'where the launcher runs'}: ${PLUGIN_PAGE}`;
/** The answer of StartSession holds a token, so it is handed over in a variable: the plugin takes it so since 1.2.497. */
const ANSWER_VARIABLE = 'AWS_SSM_START_SESSION_RESPONSE';
const OPEN_MS = 20_000;
/** A plugin that is asked to end has this long before it is killed, and all of them together so long when the launcher stops. */
const KILL_MS = 1000;
const STOP_MS = 3000;
const SAID_CHARS = 2000;

/** What StartSession of Systems Manager is asked. */
export interface SessionRequest {
  Target: string;
  DocumentName: string;
  Parameters: Record<string, string[]>;
}

/** Sessions of Systems Manager, with whoever's credentials. */
export interface SessionStarter {
  /** Its answer, whole: the plugin is given it. @throws ReachError unreachable when the box is not online; what AWS said */
  start(request: SessionRequest): Promise<{ SessionId?: string | undefined }>;
  terminate(sessionId: string): Promise<unknown>;
}

interface TunnelsOptions {
  sessions: SessionStarter;
  region: string;
  /** Where the agent listens on the box. */
  agentPort: number;
  /** Session document. @default PORT_DOCUMENT */
  document?: string;
  /** Profile of the credentials, for the plugin, which asks AWS itself when a connection was lost. */
  profile?: string;
  /** A tunnel that has carried nothing for so long is closed, ms. */
  idleMs: number;
  /** Environment of the plugin. */
  env: NodeJS.ProcessEnv;
  /** `here`: the plugin has a group of processes of its own, so that Ctrl-C for this program does not end it. @default launcher */
  place?: Place;
}

interface Tunnel {
  /** Of this machine's loopback. */
  port: number;
  close: End;
}

/** Ends a plugin and its session. Resolves when both are over. */
type End = () => Promise<void>;

/** The plugin takes what it must not show in its arguments from this version on. Source: its release notes. */
const OLDEST = [1, 2, 497] as const;
const VERSION_MS = 5000;

const isInstalled = ({ PATH: path = '' }: NodeJS.ProcessEnv): boolean =>
  path.split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, PLUGIN), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });

/** What `doctor` says of the plugin. Never throws. */
export async function pluginCheck(env: NodeJS.ProcessEnv, place: Place = 'launcher'): Promise<Check> {
  if (!isInstalled(env))
    return warn(PLUGIN, 'it is not installed: exec runs without input and terminal, and files cannot be copied', hintFor(place));
  const said = await new Promise<string>((resolve) =>
    execFile(PLUGIN, ['--version'], { env, timeout: VERSION_MS }, (_error, stdout) => resolve(stdout.trim())),
  );
  const version = said.split('.').map(Number);
  const isOld = OLDEST.some((part, at) => (version[at] ?? 0) < part && OLDEST.slice(0, at).every((before, n) => version[n] === before));
  return isOld
    ? warn(PLUGIN, `version ${said || 'unknown'} is older than ${OLDEST.join('.')}, which takes a session from a variable`, hintFor(place))
    : good(PLUGIN, `version ${said}`);
}

/** What a box has of tunnels: the one that is there or on its way, and what it carries. */
interface Kept {
  tunnel: Promise<Tunnel>;
  open: boolean;
  sockets: number;
  closing: NodeJS.Timeout | null;
}

/**
 * Connections to the agents of boxes through Session Manager: one session with a box carries all of them. The plugin of AWS
 * speaks the protocol, and listens on this machine's loopback for as long as the session lasts.
 */
export class Tunnels {
  readonly #options: TunnelsOptions;
  readonly #kept = new Map<string, Kept>();
  /** Of every plugin that runs. */
  readonly #ends = new Set<End>();
  readonly #plugins = new Set<ChildProcess>();

  constructor(options: TunnelsOptions) {
    this.#options = options;
  }

  /** True when a connection costs no new session. */
  isOpen(boxId: string): boolean {
    return this.#kept.get(boxId)?.open ?? false;
  }

  /** @throws ReachError unreachable, DevctlError unsupported where the plugin is missing */
  async connect(boxId: string): Promise<Duplex> {
    const kept = this.#kept.get(boxId) ?? this.#begin(boxId);
    if (kept.closing) clearTimeout(kept.closing);
    kept.closing = null;
    kept.sockets += 1;
    try {
      const socket = await connected((await kept.tunnel).port);
      socket.once('close', () => this.#left(boxId, kept));
      return socket;
    } catch (error) {
      this.#left(boxId, kept);
      throw error;
    }
  }

  /** What came through the tunnel got no answer: whoever comes next gets another, and this one ends with those who are in it. */
  doubt(boxId: string): void {
    const kept = this.#kept.get(boxId);
    this.#kept.delete(boxId);
    if (kept?.sockets === 0) close(kept);
  }

  /** For a process that ends at once: nothing is waited for. Each plugin ends its session itself. */
  kill(): void {
    for (const plugin of this.#plugins) plugin.kill('SIGTERM');
  }

  async closeAll(): Promise<void> {
    for (const { closing } of this.#kept.values()) if (closing) clearTimeout(closing);
    this.#kept.clear();
    const ended = Promise.all([...this.#ends].map((end) => end()));
    await Promise.race([ended, sleep(STOP_MS, undefined, { ref: false })]);
  }

  #begin(boxId: string): Kept {
    const forget = () => {
      if (this.#kept.get(boxId) === kept) this.#kept.delete(boxId);
    };
    const kept: Kept = { tunnel: this.#start(boxId, forget), open: false, sockets: 0, closing: null };
    this.#kept.set(boxId, kept);
    kept.tunnel.then(() => {
      kept.open = true;
    }, forget);
    return kept;
  }

  #left(boxId: string, kept: Kept): void {
    kept.sockets -= 1;
    if (kept.sockets > 0) return;
    if (this.#kept.get(boxId) !== kept) {
      close(kept);
      return;
    }
    kept.closing = setTimeout(() => {
      this.#kept.delete(boxId);
      close(kept);
    }, this.#options.idleMs);
    kept.closing.unref();
  }

  async #start(boxId: string, onEnd: () => void): Promise<Tunnel> {
    const { sessions, agentPort, env } = this.#options;
    if (!isInstalled(env)) throw missing(this.#options.place ?? 'launcher');
    const ask: SessionRequest = {
      Target: boxId,
      DocumentName: this.#options.document ?? PORT_DOCUMENT,
      // 0: the plugin takes any port that is free.
      Parameters: { portNumber: [String(agentPort)], localPortNumber: ['0'] },
    };
    const session = await sessions.start(ask);
    return this.#forward(ask, session, async () => {
      onEnd();
      if (session.SessionId !== undefined) await sessions.terminate(session.SessionId).catch(() => {});
    });
  }

  #forward(ask: SessionRequest, session: object, onEnd: () => Promise<void>): Promise<Tunnel> {
    const { region, env, profile } = this.#options;
    const answer = JSON.stringify({ ...session, $metadata: undefined });
    const plugin = spawn(PLUGIN, [ANSWER_VARIABLE, region, 'StartSession', profile ?? '', JSON.stringify(ask), endpointOf(region)], {
      env: { ...env, [ANSWER_VARIABLE]: answer },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: this.#options.place === 'here',
    });
    const end = this.#endOf(plugin, onEnd);
    return new Promise((resolve, reject) => {
      let said = '';
      const failed = () => {
        clearTimeout(late);
        const why = said.trim().replace(/\s*\n\s*/g, ' · ') || `${PLUGIN} ended`;
        reject(new ReachError('unreachable', `the tunnel to ${ask.Target} did not open: ${why}`));
      };
      const late = setTimeout(() => {
        plugin.kill('SIGKILL');
        failed();
      }, OPEN_MS);
      plugin.on('error', (error) => {
        clearTimeout(late);
        reject(new ReachError('unreachable', `${PLUGIN}: ${error.message}`, { cause: error }));
      });
      plugin.once('close', failed);
      for (const stream of [plugin.stdout, plugin.stderr])
        createInterface({ input: stream }).on('line', (line) => {
          said = `${said}${line}\n`.slice(-SAID_CHARS);
          const port = /^Port (\d+) opened for sessionId/.exec(line)?.[1];
          if (port === undefined) return;
          clearTimeout(late);
          resolve({ port: Number(port), close: end });
        });
    });
  }

  #endOf(plugin: ChildProcess, onEnd: () => Promise<void>): End {
    const over = new Promise<void>((resolve) => {
      plugin.once('exit', () => resolve());
      plugin.once('error', () => resolve());
    }).then(onEnd);
    const end = async () => {
      plugin.kill('SIGTERM');
      const force = setTimeout(() => plugin.kill('SIGKILL'), KILL_MS);
      await over;
      clearTimeout(force);
    };
    this.#ends.add(end);
    this.#plugins.add(plugin);
    void over.then(() => {
      this.#ends.delete(end);
      this.#plugins.delete(plugin);
    });
    return end;
  }
}

/** In the background, also where the tunnel is still on its way. */
const close = ({ tunnel }: Kept): void =>
  void tunnel.then(
    (opened) => opened.close(),
    () => {},
  );

const endpointOf = (region: string): string => `https://ssm.${region}.amazonaws.com`;

const missing = (place: Place): DevctlError =>
  new DevctlError(
    'unsupported',
    `${PLUGIN} is not installed ${place === 'here' ? 'here' : 'where the launcher runs'}, and boxes on EC2 are reached by it`,
    { hint: hintFor(place) },
  );

function connected(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1');
    const failed = (error: Error) => reject(new ReachError('unreachable', 'the tunnel to the box is closed', { cause: error }));
    socket.once('error', failed);
    socket.once('connect', () => {
      socket.off('error', failed);
      socket.setNoDelay(true);
      resolve(socket);
    });
  });
}
