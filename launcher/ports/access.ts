import type { Duplex, Readable } from 'node:stream';
import type { BoxRef } from './compute.ts';

/**
 * Reaching into a box. Errors are ComputeError (`unreachable`, `transient`) or DevctlError where the box refuses what was
 * asked (`not_found`, `invalid_archive`, `too_large`, `disk_full`, `wrong_phase`).
 */
export interface AccessPort {
  /** A byte stream of exec frames to the box's agent (contract/exec-frames): the caller writes `start` first. */
  exec(box: BoxRef): Promise<Duplex>;

  /** Unpacks a tar stream under `path` (absolute in the box, or relative to /workspace/src). All or nothing per file, links checked. */
  putFiles(box: BoxRef, path: string, tar: Readable): Promise<{ files: number; bytes: number }>;

  /** The file or folder at `path` as a tar stream; its entries are relative to the parent of `path`. */
  getFiles(box: BoxRef, path: string): Promise<Readable>;

  /**
   * Fills an empty /workspace/src from a tar stream: all of it or nothing. Refused with `workspace_not_empty` when the
   * workspace has files.
   */
  importSource(box: BoxRef, tar: Readable): Promise<{ files: number; bytes: number }>;

  /** What the box and its setup script wrote, oldest first; with `follow` until the box is gone or the reader leaves. Works for a box that is gone, too. */
  logs(box: BoxRef, options: { tailLines: number; follow: boolean }): Promise<Readable>;

  /** Asks the agent to fetch its orders now instead of at the next heartbeat. Best effort: never throws. */
  poke(box: BoxRef): Promise<void>;
}
