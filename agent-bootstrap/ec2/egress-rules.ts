import { spawn } from 'node:child_process';

const TABLE = 'inet devctl_egress';
const APPLY_MS = 10_000;

/**
 * Lets processes of these users reach loopback and nothing else: neither other hosts nor the resolver of the machine, which would carry
 * what it is asked anywhere. In the kernel, by user: variables for proxies are only manners. @throws Error when the rules are not in force
 */
export async function confineTo(uids: readonly { first: number; count: number }[]): Promise<void> {
  const ids = `{ ${uids.map(({ first, count }) => (count === 1 ? `${first}` : `${first}-${first + count - 1}`)).join(', ')} }`;
  await nft(`
table ${TABLE}
delete table ${TABLE}
table ${TABLE} {
  chain output {
    type filter hook output priority 0; policy accept;
    meta skuid ${ids} meta l4proto { tcp, udp } th dport 53 reject
    meta skuid ${ids} oifname "lo" accept
    meta skuid ${ids} counter reject with icmpx admin-prohibited
  }
}
`);
}

function nft(rules: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn('nft', ['-f', '-'], {
      env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' },
      stdio: ['pipe', 'ignore', 'pipe'],
      timeout: APPLY_MS,
    });
    let said = '';
    child.stderr.on('data', (chunk: Buffer) => {
      said = (said + chunk).slice(-1000);
    });
    child.on('error', reject);
    child.on('close', (code) => (code === 0 ? resolve() : reject(new Error(`nft refused the rules of egress (${code}): ${said.trim()}`))));
    child.stdin.on('error', () => {});
    child.stdin.end(rules);
  });
}
