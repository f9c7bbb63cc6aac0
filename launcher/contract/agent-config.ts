/** Who the workload of a box is, where its agent is root. */
export interface BoxUser {
  name: string;
  uid: number;
  gid: number;
}

/**
 * What the maker of a box (a provider) tells its agent at start, as the JSON file named in the agent's first argument.
 * It holds no secret: the box token comes on standard input and is kept in memory only.
 */
export interface BoxConfig {
  boxId: string;
  sessionId: string;
  generation: number;
  /** Real folders behind BOX_PATHS.workspace and BOX_PATHS.run. They differ from these only where nothing can be mounted. */
  paths: { workspace: string; run: string };
  /** Who commands, scripts and file copies run as; null: the agent's own user. */
  user: BoxUser | null;
  /** Folder of the cgroup (version 2) that the workload of a `user` runs in. It is made where it is not there. @default none */
  cgroup?: string;
  /**
   * `namespace`: every process that the agent can see belongs to the box. `marker`: only those that carry IN_DEVCTL_BOX in their
   * environment. `machine`: those in the cgroup of the workload, and those of its user and of that one's subordinate ids.
   */
  processScope: 'namespace' | 'marker' | 'machine';
  /** The whole environment of commands, before what `start.env` adds. */
  env: Record<string, string>;
  limits: BoxLimits;
  /** File that the agent's output goes to, where the agent itself shows it. */
  log?: string;
}

/**
 * What an image tells the agent of every box that is made from it, as the JSON file MACHINE_CONFIG. Whose box it is, the agent
 * reads from the tags of its instance, and where its launcher is from the user data.
 */
export interface MachineConfig {
  machine: 'ec2';
  paths: BoxConfig['paths'];
  /** `volume`: the agent finds the volume of the workspace and mounts it; `mounted`: somebody else has, before the agent starts. */
  disk: 'volume' | 'mounted';
  user: BoxConfig['user'];
  cgroup?: string;
  /** Where the agent listens on loopback, for its launcher: whoever connects has to show the key that the launcher gave it. */
  agentPort: number;
  /** Where the one way out of a box listens on loopback, when its session may reach some hosts only. */
  egressPort: number;
  /** The environment of commands, before what `start.env` adds. */
  env: Record<string, string>;
  limits: BoxLimits;
  /** File that the agent's output goes to: what `devctl logs` shows. */
  log: string;
  /** Command that ends the machine. */
  powerOff: [string, ...string[]];
}
/** Where the agent of a machine listens on loopback: ports that only root may have, so that nothing of the workload takes its place. */
export const AGENT_PORT = 881;
/** Where the one way out of a box listens. */
export const EGRESS_PORT = 882;
export const MACHINE_CONFIG = '/etc/devctl/agent.json';

/** User data of a box: where it finds its launcher, and never a secret. */
export interface BoxUserData {
  devctl: 1;
  deployment: string;
  launcherUrl: string;
}

/** The fixed paths inside every box. */
export const BOX_PATHS = {
  workspace: '/workspace',
  src: '/workspace/src',
  home: '/workspace/home',
  cache: '/workspace/cache',
  /** State of the agent that must survive the box: journal, canary. Not writable by mistake: a dot folder of its own. */
  state: '/workspace/.devctl-box',
  run: '/run/devctl',
  /** The launcher listens here, for /boxes/* only. Nothing in the box can write to its folder. */
  launcherSocket: '/run/devctl/launcher.sock',
  /** The agent listens here, for the launcher: in a folder of its own, which is memory of the box. */
  agentSocket: '/run/devctl/agent/agent.sock',
} as const;

/** Bounds of what the agent does for a launcher; sizes in bytes. */
export interface BoxLimits {
  archiveBytes: number;
  archiveFiles: number;
  archiveRatio: number;
  archiveRatioFloorBytes: number;
  /** How long writers get between SIGTERM and SIGKILL when the box is made quiet. */
  stopGraceMs: number;
  /** The box ends itself when it has not reached a launcher even once for this long. */
  orphanLimitMs: number;
}

/** Paths of the agent's own HTTP interface, on BOX_PATHS.agentSocket. Errors are problem+json. */
export const AGENT_ROUTES = {
  poke: '/poke',
  quiesce: '/quiesce',
  freeze: '/freeze',
  thaw: '/thaw',
  files: '/files',
  import: '/import',
  exec: '/exec',
  forward: '/forward',
  logs: '/logs',
} as const;

/** Value of the Upgrade header that turns `GET /exec` into a byte stream of exec frames. */
export const EXEC_UPGRADE = 'devctl-exec';
/** The same for `GET /forward?port=…`, which becomes a connection to that port of the box's loopback. */
export const FORWARD_UPGRADE = 'devctl-forward';

/** What Systems Manager tells of the output of a command, characters: an answer that goes this way has to fit in. */
export const COMMAND_OUTPUT_MAX_CHARS = 24_000;
