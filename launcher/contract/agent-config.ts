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
  /** `namespace`: every process that the agent can see belongs to the box. `marker`: only those that carry IN_DEVCTL_BOX in their environment. */
  processScope: 'namespace' | 'marker';
  /** The whole environment of commands, before what `start.env` adds. */
  env: Record<string, string>;
  limits: BoxLimits;
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
} as const;

/** Value of the Upgrade header that turns `GET /exec` into a byte stream of exec frames. */
export const EXEC_UPGRADE = 'devctl-exec';
