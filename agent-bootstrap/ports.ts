import type { BoxConfig } from '../launcher/contract/agent-config.ts';
import type { BoxDisk, Orders } from '../launcher/contract/box.ts';
import type { QuiesceReport } from '../launcher/contract/receipt.ts';
import type { SecretReference } from '../launcher/contract/secrets.ts';

/** What differs between a sandbox on this machine and a machine in a cloud, as the agent sees it. */

/** The way to the launcher. */
export interface LauncherLink {
  /**
   * Posts JSON and gives what the launcher wants of the box.
   * @throws DevctlError with the launcher's code when it refuses; any other error when it cannot be reached
   */
  post(path: '/boxes/register' | '/boxes/heartbeat', body: unknown): Promise<Orders>;
  /** Asks which disk has the workspace. Throws as `post` does. */
  disk(body: unknown): Promise<BoxDisk>;
}

/** How the disk of the workspace comes to its place. */
export interface WorkspaceMount {
  /** UUID of the file system, once it is mounted; undefined where somebody else mounts it. */
  readonly fileSystem: string | undefined;
  /**
   * Makes the workspace ready, also after `release`. May be repeated.
   * @throws DiskProblem when its disk cannot be used; errors of the link to the launcher, which is asked which disk it is
   */
  prepare(): Promise<void>;
  /** Gives the disk back, when everything is flushed and nobody works in it any more. Undefined where somebody else mounts. May be repeated. Does not throw. */
  release(): Promise<QuiesceReport['disk']>;
  /** Everything that was written is on the disk, and nothing more comes, until `letGo`; not for longer than some minutes. @throws Error */
  hold(): Promise<void>;
  letGo(): Promise<void>;
}

/** The machine under the agent. */
export interface Machine {
  /** Ends the box with every process in it. Does not return. */
  end(reason: string, killWorkload: () => void): never;
  /** True when the whole machine is going down, whoever wanted that; false: only the agent was asked to end. */
  isGoingDown(): Promise<boolean>;
}

/** What a machine may do in the account that it is in. */
export interface MachineRole {
  /** The value of a secret. Nothing of it is kept. @throws DevctlError secret_unavailable */
  readSecret(name: string, reference: SecretReference): Promise<Buffer>;
  /** Variables with which a command finds credentials of this role, as AWS's own tools look for them. They are served from then on. */
  lend(): Promise<Record<string, string>>;
  /** Serves them no more. */
  recall(): void;
}

/** How an agent begins, on whatever machine it is. */
export interface Startup {
  config: BoxConfig;
  link: LauncherLink;
  mount: WorkspaceMount;
  machine: Machine;
  /** Null: the machine has none. */
  role: MachineRole | null;
  /** Where the launcher comes in over a network, besides the socket; null: it does not. */
  guarded: { port: number; mayEnter(authorization: string | undefined): boolean } | null;
  /** Tells when the machine is to be taken away, ms since the epoch. */
  watchInterruption(tell: (atMs: number) => void): void;
}

/** One line of the box's log. */
export type Log = (line: string) => void;
