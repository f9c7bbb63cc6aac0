import { readdirSync, readlinkSync } from 'node:fs';
import { parseConnections } from './connections.ts';
import { readProc } from './read-proc.ts';

const AI_AGENTS = new Set(['claude', 'codex', 'aider', 'gemini', 'opencode', 'goose', 'amp', 'cursor-agent', 'copilot', 'crush', 'qwen']);

/** The known AI agent that a process is; null for every other one. */
export function agentName(comm: string, cmdline: string[]): string | null {
  if (AI_AGENTS.has(comm)) return comm;
  for (const word of cmdline.slice(0, 2)) {
    const base =
      word
        .split('/')
        .pop()
        ?.replace(/\.(?:c|m)?js$/, '') ?? '';
    if (AI_AGENTS.has(base)) return base;
    // An interpreter with the entry file of a package: the package's name tells.
    const inPackage = /\/(claude-code|codex|gemini-cli|opencode-ai)\//.exec(word)?.[1];
    if (inPackage) return inPackage;
  }
  return null;
}

/** Whether a process has a connection open, in whichever network it is: a container has one of its own. */
export function hasConnection(pid: number): boolean {
  const all = ['tcp', 'tcp6'].flatMap((name) => parseConnections(readProc(`/proc/${pid}/net/${name}`)?.toString() ?? ''));
  const open = new Set(all.filter(({ state }) => state === 'established').map(({ inode }) => inode));
  return socketsOf(pid).some((inode) => open.has(inode));
}

/** Inodes of the sockets that a process holds. */
function socketsOf(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
      const target = linkOf(`/proc/${pid}/fd/${fd}`);
      return target?.startsWith('socket:[') ? [target.slice('socket:['.length, -1)] : [];
    });
  } catch {
    // Gone meanwhile.
    return [];
  }
}

function linkOf(path: string): string | null {
  try {
    return readlinkSync(path);
  } catch {
    // Closed meanwhile.
    return null;
  }
}
