import { chmodSync, closeSync, constants, fstatSync, mkdtempSync, openSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { connect, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { ComputeError } from '../../ports/compute.ts';

/** Linux: opens a name without opening what it names. Node has no constant for it. */
const O_PATH = 0o10000000;
/** What fits into a socket address everywhere, with its final zero. */
const ADDRESS_MAX_BYTES = 100;

/**
 * Listens on a unix socket in a folder that a box may write: one of plain processes does. The socket is made and opened to everyone in `privateDir`, which
 * the box cannot reach, and then moved: a link that the box puts at its place is replaced, never followed.
 * Either path may be longer than a socket address.
 */
export async function listenForBox(server: Server, privateDir: string, path: string): Promise<void> {
  const name = `listen-${process.pid}-${Date.now()}`;
  const made = join(privateDir, name);
  rmSync(made, { force: true });
  await withShortFolder(privateDir, (folder) => listening(server, join(folder, name)));
  chmodSync(made, 0o666);
  renameSync(made, path);
}

function listening(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

/**
 * Connects to a socket that a box has made. The name is opened without following it: a link that the box puts there must
 * not lead the launcher, which may be root, to another service of the host.
 * @throws ComputeError unreachable
 */
export async function connectToBox(path: string): Promise<Socket> {
  if (process.platform !== 'linux') return withShortFolder(dirname(path), (folder) => connected(join(folder, basename(path))));
  let fd: number;
  try {
    fd = openSync(path, O_PATH | constants.O_NOFOLLOW);
  } catch (error) {
    throw new ComputeError('unreachable', 'the agent of the box does not listen yet, or any more', { cause: error });
  }
  try {
    if (!fstatSync(fd).isSocket()) throw new ComputeError('unreachable', 'the socket of the agent was replaced by something else');
    return await connected(`/proc/self/fd/${fd}`);
  } finally {
    closeSync(fd);
  }
}

function connected(path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    const failed = (error: Error) => reject(new ComputeError('unreachable', 'the agent of the box does not answer', { cause: error }));
    socket.once('error', failed);
    socket.once('connect', () => {
      socket.off('error', failed);
      resolve(socket);
    });
  });
}

/** Calls with a name for the folder that is short enough for a socket address. */
async function withShortFolder<T>(folder: string, use: (short: string) => Promise<T>): Promise<T> {
  if (Buffer.byteLength(folder) < ADDRESS_MAX_BYTES - 40) return use(folder);
  if (process.platform === 'linux') {
    const fd = openSync(folder, constants.O_DIRECTORY);
    try {
      return await use(`/proc/self/fd/${fd}`);
    } finally {
      closeSync(fd);
    }
  }
  const shortcut = mkdtempSync(join(tmpdir(), 'devctl-'));
  try {
    symlinkSync(folder, join(shortcut, 's'));
    return await use(join(shortcut, 's'));
  } finally {
    rmSync(shortcut, { recursive: true, force: true });
  }
}
