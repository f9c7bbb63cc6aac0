import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import { beforeAll, describe, expect, it } from 'vitest';
import { isInward } from '../../agent-bootstrap/ec2/egress-proxy.ts';
import { PACKAGE_ROOT } from '../local/local-harness.ts';

type Told = Record<string, string>;
interface Seen {
  user: Told;
  subordinate: Told;
  root: Told;
  open: Told;
  other: Told;
  env: Record<string, string>;
  log: string[];
}

describe('a box that may reach some hosts only', () => {
  let seen: Seen;
  beforeAll(async () => {
    const folder = mkdtempSync(join(tmpdir(), 'devctl-egress-'));
    const outfile = join(folder, 'main.mjs');
    const entryPoints = [join(PACKAGE_ROOT, 'test/root/egress-seen.ts')];
    await build({ entryPoints, outfile, bundle: true, platform: 'node', format: 'esm', logLevel: 'error' });
    const program = ['--net', '--', process.execPath, outfile, 'run', join(folder, 'note.json')];
    seen = JSON.parse(execFileSync('unshare', program, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] })) as Seen;
    rmSync(folder, { recursive: true, force: true });
  });

  it.each(['user', 'subordinate'] as const)('cannot be left by the %s, on whatever port, but by the proxy', (who) => {
    expect(seen[who]).toMatchObject({
      outside: expect.stringMatching(/^E(HOSTUNREACH|ACCES|PERM|CONNREFUSED)$/),
      'outside, another port': expect.stringMatching(/^E/),
      resolver: 'ECONNREFUSED',
      loopback: 'inside 3000',
      'proxy to a host of the list': 'HTTP/1.1 200 Connection established  outside 443',
      'proxy to a host below one of the list': 'HTTP/1.1 200 Connection established  outside 443',
    });
  });

  it.each([
    ['proxy to another host', /not in the egress list/],
    ['proxy to the stem of a pattern', /not in the egress list/],
    ['proxy to another port', /not in the egress list/],
    ['proxy to an address', /not in the egress list/],
    ['proxy to a name that leads inward', /address that is not outside/],
    ['proxy to a name that leads to the metadata service', /address that is not outside/],
  ])('is told why: %s', (name, why) => {
    expect(seen.user[name]).toMatch(/^HTTP\/1.1 403/);
    expect(seen.user[name]).toMatch(why);
  });

  it('says in plain HTTP the host that was judged, and no other', () => {
    expect(seen.user['plain proxy, with the header of another host']).toMatch(/200 OK.*allowed\.example$/);
    expect(seen.user['plain proxy to another host']).toMatch(/403.*not in the egress list/);
  });

  it('is open until its session names hosts, and is not opened again by a launcher that names none', () => {
    expect(seen.open).toMatchObject({ outside: 'outside 443', resolver: 'inside 53' });
    expect(seen.log).toEqual(expect.arrayContaining([expect.stringMatching(/^egress: the workload reaches allowed\.example, /)]));
    expect(seen.env).toMatchObject({ PATH: '/bin', HTTPS_PROXY: 'http://127.0.0.1:18000', no_proxy: 'localhost,127.0.0.1,::1' });
  });

  it('confines nobody else', () => {
    for (const told of [seen.root, seen.other]) expect(told).toMatchObject({ outside: 'outside 443', resolver: 'inside 53' });
    expect(seen.log.join('\n')).toContain('"other.example:443" is not in the list of this session');
  });
});

it.each([
  ['127.0.0.1', true],
  ['10.1.2.3', true],
  ['172.31.255.255', true],
  ['172.32.0.1', false],
  ['169.254.169.254', true],
  ['100.64.0.1', true],
  ['203.0.113.5', false],
  ['0.0.0.0', true],
  ['::1', true],
  ['::', true],
  ['::ffff:169.254.169.254', true],
  ['::ffff:203.0.113.5', false],
  ['fd00:ec2::254', true],
  ['fe80::1', true],
  ['2001:db8::1', false],
])('%s leads inward: %s', (address, inward) => {
  expect(isInward(address)).toBe(inward);
});
