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

/** Networks that one look reads, and processes that it asks: what the workload has many of takes no more time. */
const NETWORKS_MAX = 4;
const ASKED_MAX = 50;

/** Looks once whether processes have a connection open, in whichever network they are: a container has one of its own. */
export class OpenConnections {
  readonly #byNetwork = new Map<string, Set<string>>();
  #asked = 0;

  has(pid: number): boolean {
    this.#asked += 1;
    const network = linkOf(`/proc/${pid}/ns/net`);
    if (network === null || this.#asked > ASKED_MAX) return false;
    if (!this.#byNetwork.has(network) && this.#byNetwork.size >= NETWORKS_MAX) return false;
    const open = this.#byNetwork.get(network) ?? this.#read(pid);
    this.#byNetwork.set(network, open);
    return socketsOf(pid).some((inode) => open.has(inode));
  }

  #read(pid: number): Set<string> {
    const all = ['tcp', 'tcp6'].flatMap((name) => parseConnections(readProc(`/proc/${pid}/net/${name}`)?.toString() ?? ''));
    return new Set(all.filter(({ state }) => state === 'established').map(({ inode }) => inode));
  }
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
