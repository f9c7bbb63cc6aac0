/** What a box sees, whatever program builds it. Paths are absolute. Later mounts lie over earlier ones. */
export interface SandboxSpec {
  mounts: Mount[];
  env: Record<string, string>;
  hostname: string;
  /** False: a network namespace of its own with nothing but a loopback device. */
  network: boolean;
  identity: SandboxIdentity;
  /** First program inside, with its arguments. */
  command: string[];
  cwd: string;
  /** Most processes of the user in the box, where no cgroup counts them. */
  processLimit: number | null;
}

export type Mount =
  | { kind: 'ro' | 'rw'; from: string; to: string }
  | { kind: 'tmpfs'; to: string; mode: number }
  | { kind: 'link'; target: string; to: string };

/**
 * Who the processes in the box are. `drop`: the launcher is root; the mounts are made by root itself, then everything is
 * given up for an ordinary uid with no capabilities: root is not mapped into the box at all.
 * `map`: the launcher is an ordinary user, who is seen as `uid` in a user namespace.
 */
export type SandboxIdentity = { kind: 'drop'; uid: number; gid: number } | { kind: 'map'; uid: number; gid: number };

/** Uid of boxes when the launcher is root: outside every range that distributions give out. */
export const DROPPED_UID = 70_000;
export const MAPPED_UID = 1_000;
