const PATH_MAX_BYTES = 4095;
const NAME_MAX_BYTES = 255;

const bytesOf = (text: string): number => new TextEncoder().encode(text).length;

/** The parts of the name of an archive entry, without `.` and empty ones. None is the folder itself. */
export const entryParts = (name: string): string[] => name.split('/').filter((part) => part !== '' && part !== '.');

/** Why an entry of this name could leave the folder that it is unpacked in, or fits no file system; null when it is fine. */
export function nameFault(name: string): string | null {
  if (name.startsWith('/')) return 'is an absolute path';
  if (name.includes('\0')) return 'has a NUL in its name';
  const parts = entryParts(name);
  if (parts.includes('..')) return 'leaves its folder with ..';
  const isTooLong = bytesOf(parts.join('/')) > PATH_MAX_BYTES || parts.some((part) => bytesOf(part) > NAME_MAX_BYTES);
  return isTooLong ? 'has too long a name' : null;
}

/**
 * Whether a link that lies `depth` folders down stays within. Folders on the way up are real ones (that is checked where it
 * is written), so `..` at its beginning can be counted; one that comes later might follow another link first, and does not.
 */
export function linkStaysWithin(target: string, depth: number): boolean {
  if (target === '' || target.startsWith('/') || target.includes('\0')) return false;
  const parts = entryParts(target);
  const down = parts.findIndex((part) => part !== '..');
  const ups = down < 0 ? parts.length : down;
  return ups <= depth && !parts.slice(ups).includes('..');
}
