import { createHash } from 'node:crypto';
import { readdirSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { type Home, readJson, writeWhole } from './home.ts';

/** Which workspace a folder has, per target. One small file for each folder, so that two commands never overwrite each other's word. */
interface FolderRecord {
  folder: string;
  workspaces: Record<string, string>;
}

const NAME_MAX = 48;

/** A workspace name out of any text: what is not allowed in one becomes a dash. */
export function nameFrom(text: string): string {
  const name = text
    .normalize('NFKD')
    .toLowerCase()
    .replace(/[\u0300-\u036f]/g, '')
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+/, '')
    .slice(0, NAME_MAX)
    .replace(/-+$/, '');
  return name || 'workspace';
}

export const nameOfFolder = (folder: string): string => nameFrom(basename(folder));

/** `https://host/team/shop.git` is `shop`. */
export const nameOfAddress = (url: string): string =>
  nameFrom(
    url
      .replace(/[?#].*$/, '')
      .replace(/\/+$/, '')
      .replace(/\.git$/, '')
      .split(/[/:]/)
      .at(-1) ?? '',
  );

/** The same name with a number behind it, within the length of a name. */
export function numbered(name: string, n: number): string {
  const suffix = `-${n}`;
  return name.slice(0, NAME_MAX - suffix.length).replace(/-+$/, '') + suffix;
}

const fileOf = (home: Home, folder: string): string =>
  join(home.foldersDir, `${createHash('sha256').update(folder).digest('hex').slice(0, 32)}.json`);

function readRecord(path: string): FolderRecord | null {
  const record = readJson(path) as Partial<FolderRecord> | null;
  if (typeof record?.folder !== 'string' || typeof record.workspaces !== 'object' || record.workspaces === null) return null;
  return { folder: record.folder, workspaces: record.workspaces };
}

/** The workspace that this very folder has on a target. */
export function workspaceOf(home: Home, target: string, folder: string): string | null {
  const record = readRecord(fileOf(home, folder));
  if (record?.folder !== folder) return null;
  const name = record.workspaces[target];
  return typeof name === 'string' ? name : null;
}

/** The workspace of a folder or of the nearest one around it. */
export function workspaceAround(home: Home, target: string, folder: string): { name: string; folder: string } | null {
  for (let at = folder; ; at = dirname(at)) {
    const name = workspaceOf(home, target, at);
    if (name !== null) return { name, folder: at };
    if (at === dirname(at)) return null;
  }
}

export function remember(home: Home, target: string, folder: string, name: string): void {
  const path = fileOf(home, folder);
  const record = readRecord(path) ?? { folder, workspaces: {} };
  if (record.workspaces[target] === name) return;
  writeWhole(path, `${JSON.stringify({ folder, workspaces: { ...record.workspaces, [target]: name } })}\n`);
}

/** Takes back what `remember` wrote: the folder has the workspace again that it had before, or none. */
export function recall(home: Home, target: string, folder: string, before: string | null): void {
  if (before === null) forget(fileOf(home, folder), target);
  else remember(home, target, folder, before);
}

function forget(path: string, target: string): void {
  const record = readRecord(path);
  if (!record) return;
  const workspaces = Object.fromEntries(Object.entries(record.workspaces).filter(([key]) => key !== target));
  if (Object.keys(workspaces).length === 0) rmSync(path, { force: true });
  else writeWhole(path, `${JSON.stringify({ folder: record.folder, workspaces })}\n`);
}

/** Every folder with its workspace on a target. */
export function knownFolders(home: Home, target: string): Array<{ folder: string; name: string }> {
  let files: string[];
  try {
    files = readdirSync(home.foldersDir);
  } catch {
    return [];
  }
  return files.flatMap((file) => {
    const record = readRecord(join(home.foldersDir, file));
    const name = record?.workspaces[target];
    return record && typeof name === 'string' ? [{ folder: record.folder, name }] : [];
  });
}

/** Forgets which folder a deleted workspace belonged to. */
export function forgetWorkspace(home: Home, target: string, name: string): void {
  for (const known of knownFolders(home, target)) if (known.name === name) forget(fileOf(home, known.folder), target);
}
