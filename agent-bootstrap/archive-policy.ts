import type { BoxLimits } from '../launcher/contract/agent-config.ts';
import { DevctlError } from '../launcher/contract/errors.ts';

const PATH_MAX_BYTES = 4095;
const NAME_MAX_BYTES = 255;

/** What the header of an archive entry says. */
export interface ArchiveEntry {
  name: string;
  type?: string | null | undefined;
  size?: number | undefined;
  mode?: number | undefined;
  linkname?: string | null | undefined;
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
    switch (entry.type ?? 'file') {
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
        return { kind: 'hardlink', path, from: this.#earlierFile(entry) };
      default:
        throw refused(entry.name, `is a ${entry.type}: only files, folders and links can be unpacked`);
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

  #earlierFile(entry: ArchiveEntry): string {
    const from = cleanPath(entry.linkname ?? '');
    if (!this.#regular.has(from)) throw refused(entry.name, 'is a hard link to something that is not a file earlier in the archive');
    return from;
  }
}

/** @throws DevctlError invalid_archive for a name that could leave its folder, or that no file system takes */
export function cleanPath(name: string): string {
  if (name.startsWith('/')) throw refused(name, 'is an absolute path');
  if (name.includes('\0')) throw refused(name, 'has a NUL in its name');
  const parts = name.split('/').filter((part) => part !== '' && part !== '.');
  if (parts.includes('..')) throw refused(name, 'leaves its folder with ..');
  const path = parts.join('/');
  if (Buffer.byteLength(path) > PATH_MAX_BYTES || parts.some((part) => Buffer.byteLength(part) > NAME_MAX_BYTES)) {
    throw refused(name, 'has too long a name');
  }
  return path;
}

/**
 * A link may only lead to a place inside. Folders on the way up are real ones (that is checked when it is written), so
 * steps up at the beginning can be counted; one that comes later might follow another link first, and is refused.
 */
function innerTarget(entry: ArchiveEntry, path: string): string {
  const target = entry.linkname ?? '';
  if (target === '' || target.startsWith('/') || target.includes('\0'))
    throw refused(entry.name, 'is a link to an absolute path or to nothing');
  const parts = target.split('/').filter((part) => part !== '' && part !== '.');
  const ups = parts.findIndex((part) => part !== '..');
  const upCount = ups === -1 ? parts.length : ups;
  const depth = path.split('/').length - 1;
  if (upCount > depth || parts.slice(upCount).includes('..'))
    throw refused(entry.name, `is a link that leaves its folder (${shown(target)})`);
  return target;
}

const shown = (text: string): string => JSON.stringify(text.slice(0, 200));
const refused = (name: string, why: string): DevctlError => new DevctlError('invalid_archive', `${shown(name)} ${why}`);
