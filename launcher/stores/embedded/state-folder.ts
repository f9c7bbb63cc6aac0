import { chmod, mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { reasonOf } from '../../contract/system-errors.ts';

/** Number of the format in which this version writes the folder. Raise it when an older launcher could not read what is written. */
const FORMAT = 1;
const VERSION_FILE = 'version';

/** Another launcher has the folder open. */
export class StateFolderInUseError extends Error {
  override readonly name = 'StateFolderInUseError';
  constructor(
    readonly dir: string,
    options?: { cause?: unknown },
  ) {
    super(`another launcher is using the state folder ${dir}: stop it, or give this one its own folder`, options);
  }
}

/** The folder was written by a newer version, or by something else. Nothing in it was touched. */
export class StateFolderVersionError extends Error {
  override readonly name = 'StateFolderVersionError';
  constructor(
    readonly dir: string,
    found: string,
  ) {
    super(`the state folder ${dir} has format ${found}, this version reads format ${FORMAT}: use the newer devctl, or another folder`);
  }
}

/** The folder cannot be read or written: permissions, a full disk, damage. */
export class StateFolderUnusableError extends Error {
  override readonly name = 'StateFolderUnusableError';
  constructor(
    readonly dir: string,
    reason: string,
    options?: { cause?: unknown },
  ) {
    super(`the state folder ${dir} cannot be used: ${reason}`, options);
  }
}

const codeOf = (error: unknown): unknown => (error as { code?: unknown } | null)?.code;

async function readVersion(dir: string): Promise<string | null> {
  try {
    return (await readFile(join(dir, VERSION_FILE), 'utf8')).trim();
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return null;
    throw error;
  }
}

/**
 * Makes the folder (mode 0700) if it is not there, and checks its format before anything in it is touched.
 * @throws StateFolderVersionError, StateFolderUnusableError
 */
export async function prepareStateFolder(dir: string): Promise<void> {
  try {
    await mkdir(dir, { recursive: true, mode: 0o700 });
    // In this order: whoever prepares the folder at the same time writes its version before anything else.
    const others = (await readdir(dir)).filter((name) => name !== VERSION_FILE && !name.startsWith(`${VERSION_FILE}.`));
    const version = await readVersion(dir);
    if (version === null) {
      if (others.length > 0) throw new StateFolderVersionError(dir, `unknown (it has ${others[0]} and no ${VERSION_FILE} file)`);
      await chmod(dir, 0o700);
      const draft = join(dir, `${VERSION_FILE}.${crypto.randomUUID()}`);
      await writeFile(draft, `${FORMAT}\n`, { mode: 0o600 });
      await rename(draft, join(dir, VERSION_FILE));
    } else if (version !== String(FORMAT)) {
      throw new StateFolderVersionError(dir, version.slice(0, 40) || '(empty)');
    } else {
      await chmod(dir, 0o700);
    }
  } catch (error) {
    if (error instanceof StateFolderVersionError) throw error;
    throw new StateFolderUnusableError(dir, reasonOf(error), { cause: error });
  }
}

/** What LevelDB says when it cannot open its files, in our words. */
export function openFailure(dir: string, error: unknown): StateFolderInUseError | StateFolderUnusableError {
  const cause = (error as { cause?: unknown } | null)?.cause ?? error;
  if (codeOf(cause) === 'LEVEL_LOCKED') return new StateFolderInUseError(dir, { cause });
  return new StateFolderUnusableError(dir, reasonOf(cause), { cause });
}
