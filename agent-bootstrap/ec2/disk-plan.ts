import type { BoxDisk } from '../../launcher/contract/box.ts';
import { DiskProblem } from '../disk-problem.ts';
import type { Content, SeenDisk } from './disks.ts';

/** Of the file system that the agent makes; mount refuses what only looks like it. */
export const FILE_SYSTEM = 'xfs';
export const LABEL = 'devctl';

/** The disk of the workspace among those that are there, by its volume; null: it is not there yet. @throws DiskProblem */
export function pickDisk(disks: readonly SeenDisk[], { volumeId }: BoxDisk): SeenDisk | null {
  const found = disks.filter((disk) => disk.volumeId === volumeId);
  if (found.length > 1) throw new DiskProblem('disk_unavailable', `${namesOf(found)} both say that they are ${volumeId}`);
  const [disk = null] = found;
  if (disk?.readOnly) throw new DiskProblem('disk_unavailable', `${volumeId} (${disk.device}) is read-only on this machine`);
  return disk;
}

/**
 * What is to be done with a disk that has this on it. Only an empty one is formatted, and only where nothing was ever saved: an empty disk in
 * the place of work would be taken for that work from then on.
 * @throws DiskProblem workspace_quarantined
 */
export function planFor(content: Content, wanted: BoxDisk): 'format' | 'mount' {
  const refuse = (why: string) => new DiskProblem('workspace_quarantined', `${wanted.volumeId} ${why}; it was left as it is`);
  if (content.kind === 'blank') {
    if (wanted.mayFormat) return 'format';
    throw refuse('is empty, and ought to have the files of this workspace');
  }
  if (content.kind === 'other') throw refuse(`has ${content.what} on it, and not the files of this workspace`);
  const { type, label, uuid, isCutOff } = content;
  if (type !== FILE_SYSTEM || label !== LABEL)
    throw refuse(`has a file system of somebody else on it (${type}${label && ` ${JSON.stringify(label)}`})`);
  if (wanted.fileSystem !== null && uuid !== wanted.fileSystem)
    throw refuse(`has the files of another workspace on it (file system ${uuid}, and ${wanted.fileSystem} was wanted)`);
  if (isCutOff) throw refuse('is shorter than the file system on it: a part is missing');
  return 'mount';
}

/** Why a disk could not be mounted, by what mount said. Only what the disk itself says is damage. */
export function mountProblem(volumeId: string, said: string): DiskProblem {
  const isDamage = /bad superblock|structure needs cleaning|wrong fs type|corrupt|invalid argument/i.test(said);
  if (isDamage) return new DiskProblem('workspace_quarantined', `${volumeId} is damaged: ${said}; it was left as it is`);
  return new DiskProblem('disk_unavailable', `${volumeId} cannot be mounted: ${said}`);
}

export const namesOf = (disks: readonly SeenDisk[]): string =>
  disks.map(({ device, volumeId }) => `${device} (${volumeId ?? 'no volume'})`).join(', ');
