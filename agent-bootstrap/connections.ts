/** Pure readers of the kernel's tables of connections, /proc/net/tcp and tcp6. */

export interface Connection {
  local: string;
  remote: string;
  localPort: number;
  state: 'established' | 'listening' | 'other';
  uid: number;
  inode: string;
}

const STATES: Readonly<Record<string, Connection['state']>> = { '01': 'established', '0A': 'listening' };
/** Words of an IPv6 address that holds one of IPv4, as the kernel writes them. */
const MAPPED = '0000000000000000FFFF0000';

export function parseConnections(text: string): Connection[] {
  return text.split('\n').flatMap((line) => {
    const [number, local, remote, state, , , , uid, , inode] = line.trim().split(/\s+/);
    if (!number?.endsWith(':') || local === undefined || remote === undefined || inode === undefined) return [];
    return [
      {
        local: plain(local),
        remote: plain(remote),
        localPort: Number.parseInt(local.split(':')[1] ?? '', 16),
        state: STATES[state ?? ''] ?? 'other',
        uid: Number(uid),
        inode,
      } as const,
    ];
  });
}

/** One notation for an address, whichever table it is in. */
const plain = (address: string): string => (address.startsWith(MAPPED) ? address.slice(MAPPED.length) : address);

/**
 * Ports on which the workload listens and to which somebody is connected who is not the workload: a program that talks to its own
 * database is nobody's visit.
 */
export function visitedPorts(all: readonly Connection[], isOfWorkload: (uid: number) => boolean): number[] {
  const listening = new Set(all.filter(({ state, uid }) => state === 'listening' && isOfWorkload(uid)).map(({ localPort }) => localPort));
  const established = all.filter(({ state }) => state === 'established');
  const callers = new Map(established.map((connection) => [`${connection.local} ${connection.remote}`, connection]));
  const visited = established.filter((connection) => {
    if (!listening.has(connection.localPort) || !isOfWorkload(connection.uid)) return false;
    // Its other end, where that is on this machine.
    const caller = callers.get(`${connection.remote} ${connection.local}`);
    return caller === undefined || !isOfWorkload(caller.uid);
  });
  return [...new Set(visited.map(({ localPort }) => localPort))].sort((a, b) => a - b);
}
