import type { BoxLimits } from '../launcher/contract/agent-config.ts';
import { entryParts, linkStaysWithin, nameFault } from '../launcher/contract/archive.ts';
import { DevctlError } from '../launcher/contract/errors.ts';

/** What the header of an archive entry says. */
export interface ArchiveEntry {
  name: string;
  type?: string | null | undefined;
  size?: number | undefined;
  mode?: number | undefined;
  linkname?: string | null | undefined;
  /** Its extended header, by key. */
  pax?: unknown;
}

/** What is made of an entry. Paths are relative, without `.` and `..`; the empty path is the folder itself. */
export type Step =
  | { kind: 'folder'; path: string; mode: number }
  | { kind: 'file'; path: string; mode: number; size: number }
  | { kind: 'symlink'; path: string; target: string }
  | { kind: 'hardlink'; path: string; from: string };

/**
 * Decides about the entries of one archive, in their order. It looks at names only: that no folder on the way is a link
 * is checked where the entry is written.
 */
export class ArchivePolicy {
  files = 0;
  bytes = 0;
  readonly #limits: BoxLimits;
  readonly #regular = new Set<string>();

  constructor(limits: BoxLimits) {
    this.#limits = limits;
  }

  /** @throws DevctlError invalid_archive, too_large */
  admit(entry: ArchiveEntry): Step {
    const path = cleanPath(entry.name);
    this.#count(entry);
    const mode = (entry.mode ?? 0o644) & 0o777;
    if (isSparse(entry)) throw refused(entry.name, 'is kept as a sparse file: pack it without --sparse');
    // Null is a kind that the reader of archives does not know.
    switch (entry.type === undefined ? 'file' : entry.type) {
      case 'directory':
        return { kind: 'folder', path, mode: mode | 0o700 };
      case 'file':
      case 'contiguous-file':
        if (path === '') throw refused(entry.name, 'has no name');
        this.#regular.add(path);
        return { kind: 'file', path, mode, size: entry.size ?? 0 };
      case 'symlink':
        if (path === '') throw refused(entry.name, 'has no name');
        this.#regular.delete(path);
        return { kind: 'symlink', path, target: innerTarget(entry, path) };
      case 'link':
        return { kind: 'hardlink', path, from: this.#earlierFile(entry, path) };
      default:
        throw refused(
          entry.name,
          `is ${entry.type === null ? 'something unknown' : `a ${entry.type}`}: only files, folders and links can be unpacked`,
        );
    }
  }

  #count(entry: ArchiveEntry): void {
    this.files += 1;
    this.bytes += entry.size ?? 0;
    if (this.files > this.#limits.archiveFiles)
      throw new DevctlError('too_large', `the archive has more than ${this.#limits.archiveFiles} entries`);
    if (this.bytes > this.#limits.archiveBytes)
      throw new DevctlError('too_large', `the archive unpacks to more than ${this.#limits.archiveBytes} bytes`);
  }

  #earlierFile(entry: ArchiveEntry, path: string): string {
    const from = cleanPath(entry.linkname ?? '');
    if (from === path || !this.#regular.has(from))
      throw refused(entry.name, 'is a hard link to something that is not a file earlier in the archive');
    this.#regular.add(path);
    return from;
  }
}

const isSparse = ({ pax }: ArchiveEntry): boolean => Object.keys(pax ?? {}).some((key) => key.startsWith('GNU.sparse.'));

/** @throws DevctlError invalid_archive for a name that could leave its folder, or that no file system takes */
export function cleanPath(name: string): string {
  const fault = nameFault(name);
  if (fault !== null) throw refused(name, fault);
  return entryParts(name).join('/');
}

/** A link may only lead to a place inside. */
function innerTarget(entry: ArchiveEntry, path: string): string {
  const target = entry.linkname ?? '';
  if (!linkStaysWithin(target, path.split('/').length - 1))
    throw refused(entry.name, `is a link that leaves its folder (${shown(target)})`);
  return target;
}

const shown = (text: string): string => JSON.stringify(text.slice(0, 200));
const refused = (name: string, why: string): DevctlError => new DevctlError('invalid_archive', `${shown(name)} ${why}`);
