import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { createInterface } from 'node:readline';
import { EgressGuard } from '../../agent-bootstrap/ec2/egress.ts';

/** Of networks for documentation (RFC 5737): a host outside, on the other end of a cable that ends in another network namespace. */
export const OUTSIDE = '203.0.113.5';
const HERE = '203.0.113.1';
export const PROXY_PORT = 18_000;
export const UID = 54_321;
const NAMES: Readonly<Record<string, string>> = {
  'allowed.example': OUTSIDE,
  'sub.wild.example': OUTSIDE,
  'wild.example': OUTSIDE,
  'other.example': OUTSIDE,
  'inward.example': '127.0.0.1',
  'metadata.example': '169.254.169.254',
};
export const LIST = ['allowed.example', '*.wild.example', 'inward.example', 'metadata.example', 'odd.example:9'];

const run = (program: string, ...args: string[]) => execFileSync(program, args, { stdio: ['ignore', 'ignore', 'inherit'] });

const SERVE = `
const net = require('node:net');
for (const port of [22, 80, 443]) net.createServer((socket) => {
  socket.on('error', () => {});
  socket.on('data', (chunk) => socket.end(port === 80 ? 'HTTP/1.0 200 OK\\r\\n\\r\\n' + /host: (.*)/i.exec(chunk)[1].trim() : 'outside ' + port));
}).listen(port, '${OUTSIDE}');
setTimeout(() => console.log('up'), 300);
`;

/** What is tried, as JSON lines: each a connection that something is said on, and what comes back. */
const TRY = `
const net = require('node:net');
const tries = JSON.parse(process.argv[1]);
(async () => {
  for (const { name, host, port, say } of tries) {
    const told = await new Promise((resolve) => {
      const socket = net.connect({ host, port, timeout: 3000 });
      let text = '';
      socket.on('connect', () => socket.write(say));
      socket.on('data', (chunk) => { text += chunk; if (text.includes('Connection established') && !text.includes('outside')) socket.write('x'); });
      socket.on('error', (error) => resolve(error.code));
      socket.on('timeout', () => resolve('nothing within 3 s'));
      socket.on('close', () => resolve(text.replace(/\\r\\n/g, ' ').trim()));
    });
    console.log(JSON.stringify([name, told]));
  }
})();
`;

const proxied = (host: string) => ({ host: '127.0.0.1', port: PROXY_PORT, say: `CONNECT ${host} HTTP/1.1\r\nhost: ${host}\r\n\r\n` });
const TRIES = [
  { name: 'outside', host: OUTSIDE, port: 443, say: 'x' },
  { name: 'outside, another port', host: OUTSIDE, port: 22, say: 'x' },
  { name: 'loopback', host: '127.0.0.1', port: 3000, say: 'x' },
  { name: 'resolver', host: '127.0.0.1', port: 53, say: 'x' },
  { name: 'proxy to a host of the list', ...proxied('allowed.example:443') },
  { name: 'proxy to a host below one of the list', ...proxied('sub.wild.example:443') },
  { name: 'proxy to another host', ...proxied('other.example:443') },
  { name: 'proxy to the stem of a pattern', ...proxied('wild.example:443') },
  { name: 'proxy to another port', ...proxied('allowed.example:22') },
  { name: 'proxy to an address', ...proxied(`${OUTSIDE}:443`) },
  { name: 'proxy to a name that leads inward', ...proxied('inward.example:443') },
  { name: 'proxy to a name that leads to the metadata service', ...proxied('metadata.example:80') },
  {
    name: 'plain proxy, with the header of another host',
    host: '127.0.0.1',
    port: PROXY_PORT,
    say: 'GET http://allowed.example/ HTTP/1.0\r\nhost: other.example\r\n\r\n',
  },
  { name: 'plain proxy to another host', host: '127.0.0.1', port: PROXY_PORT, say: 'GET http://other.example/ HTTP/1.0\r\n\r\n' },
];

async function tryAs(uid: number): Promise<Record<string, string>> {
  const child = spawn(process.execPath, ['-e', TRY, JSON.stringify(TRIES)], {
    uid,
    gid: uid,
    cwd: '/',
    env: {},
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const told: Record<string, string> = {};
  for await (const line of createInterface({ input: child.stdout })) {
    const [name, text] = JSON.parse(line) as [string, string];
    told[name] = text;
  }
  return told;
}

function listen(port: number): Promise<Server> {
  const server = createServer((socket) => socket.on('error', () => {}).on('data', () => socket.end(`inside ${port}`)));
  return new Promise((resolve) => server.listen(port, '127.0.0.1', () => resolve(server)));
}

/** Prints as JSON what a user, and root, reach from a network namespace of their own: confined, and not. */
async function main(): Promise<void> {
  run('ip', 'link', 'set', 'lo', 'up');
  const there = spawn('unshare', ['--net', '--', 'sleep', '1000'], { stdio: 'ignore' });
  try {
    run('ip', 'link', 'add', 'here', 'type', 'veth', 'peer', 'name', 'there');
    await moved(there.pid as number);
    const inThere = (...args: string[]) => run('nsenter', '--net', '--target', String(there.pid), '--', ...args);
    inThere('ip', 'addr', 'add', `${OUTSIDE}/24`, 'dev', 'there');
    inThere('ip', 'link', 'set', 'there', 'up');
    run('ip', 'addr', 'add', `${HERE}/24`, 'dev', 'here');
    run('ip', 'link', 'set', 'here', 'up');
    const server = spawn('nsenter', ['--net', '--target', String(there.pid), '--', process.execPath, '-e', SERVE], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(server.stdout, 'data');
    const local = await Promise.all([listen(3000), listen(53)]);
    const log: string[] = [];
    const resolve = async (host: string) => NAMES[host] ?? Promise.reject(new Error('no such name'));
    const uids = [
      { first: UID, count: 1 },
      { first: 100_000, count: 65_536 },
    ];
    const [, , , notePath = ''] = process.argv;
    const guardWith = (env: Record<string, string>, port: number) =>
      new EgressGuard({ uids, port, env, notePath, resolve, log: (line) => void log.push(line) });
    const before = { PATH: '/bin' };
    const first = guardWith(before, PROXY_PORT + 1);
    await first.enforce(undefined);
    const open = await tryAs(UID);
    await first.enforce(LIST);
    // As an agent that comes after another one, and a launcher that says nothing any more.
    const env = { PATH: '/bin' };
    await guardWith(env, PROXY_PORT).enforce(undefined);
    const [user, subordinate, root] = [await tryAs(UID), await tryAs(100_001), await tryAs(0)];
    const other = await tryAs(UID + 1);
    process.stdout.write(JSON.stringify({ open, user, subordinate, root, other, env, log }));
    for (const each of local) each.close();
    server.kill('SIGKILL');
  } finally {
    there.kill('SIGKILL');
  }
}

/** It is in a namespace of its own only a moment after it was started. */
async function moved(pid: number): Promise<void> {
  const own = execFileSync('readlink', ['/proc/self/ns/net'], { encoding: 'utf8' });
  for (let tries = 0; tries < 200; tries += 1) {
    if (execFileSync('readlink', [`/proc/${pid}/ns/net`], { encoding: 'utf8' }) !== own) break;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  run('ip', 'link', 'set', 'there', 'netns', String(pid));
}

if (process.argv[2] === 'run') {
  await main();
  // The proxies listen on.
  process.exit(0);
}
