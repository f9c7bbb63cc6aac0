import { spawnSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, inject, it, vi } from 'vitest';
import { REGION } from '../aws/account/account.ts';
import { foundIn } from '../aws/account/sweep.ts';
import { Vault } from '../aws/account/vault.ts';
import { ASK_OUTSIDE, BoxBench, type Project } from './box-bench.ts';
import { copyDisk, piecesOf } from './disk.ts';
import { OUTSIDE } from './instance.ts';

const MINUTE_MS = 60_000;
/** From the session's begin: the box has to boot within it. */
const HARD_LIMIT = '5m';
const GRACE = '10s';
const SECRET = `c"a/n+a\\r y&${randomBytes(16).toString('hex')}`;
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');

describe('a box with a secret, an egress list and a hard limit', { timeout: 15 * MINUTE_MS }, () => {
  let bench: BoxBench;
  let project: Project;
  let outside: Server;
  let box = '';

  beforeAll(async () => {
    outside = createServer((_, answer) => answer.end('outside')).listen(0, '127.0.0.1');
    await once(outside, 'listening');
    const moto = inject('motoUrl');
    bench = await BoxBench.open(moto, { hardLimitGrace: GRACE });
    bench.machines.rig = { outsidePort: (outside.address() as AddressInfo).port };
    const arn = await new Vault(moto).create(`canary-${randomBytes(4).toString('hex')}`, SECRET, REGION);
    project = bench.project('confined');
    await project.up('--secret', `CANARY=${arn}`, '--egress', 'allowed.example');
    box = await project.box();
    await project.asRoot(`echo '${OUTSIDE} allowed.example other.example' >> /etc/hosts`);
  });
  afterAll(async () => {
    await bench?.close();
    outside.close();
  });
  beforeEach(({ onTestFailed }) => onTestFailed(() => console.log(bench.machines.logs(), bench.laptop.logs())));

  /** A command of the workload that has the secret. */
  const withSecret = (line: string) =>
    bench.laptop.must(['exec', '--secret', 'CANARY', '--secret-file', 'CANARY', '--', 'sh', '-c', line], { cwd: project.cwd });

  it('the secret is the command’s alone, as a variable and as a file in memory', async () => {
    const line = `printf %s "$CANARY" | sha256sum; sha256sum < "$CANARY_FILE"; stat -c '%U %a' "$CANARY_FILE" /run/devctl/secrets; findmnt -no FSTYPE -T "$CANARY_FILE"`;
    const sum = `${sha256(SECRET)}  -\n`;
    expect(await withSecret(line)).toBe(`${sum}${sum}dev 600\ndev 700\ntmpfs\n`);
    expect(await project.sh('printenv CANARY CANARY_FILE; true')).toBe('');
    expect(bench.account.secretReads.at(-1)).toMatchObject({ accessKeyId: `ROLE${box}`, region: REGION });
  });

  it('and nowhere else of the machine: no argument, journal, log, user data or file', async () => {
    const running = withSecret('touch using; while [ -e using ]; do sleep 0.2; done');
    await vi.waitUntil(async () => (await project.sh('ls')).includes('using'), { timeout: MINUTE_MS, interval: 500 });
    // What is looked for comes in a file, in memory: as an argument it would be found.
    const patterns = [SECRET, 'devctl agent of this box', 'line 7', 'launcherUrl', 'while [ -e using ]'];
    const wanted = (text: string, name: string) => `echo ${Buffer.from(text).toString('base64')} | base64 -d > /run/sought/${name}`;
    await project.asRoot(`mkdir /run/sought; ${patterns.map((text, n) => wanted(text, String(n))).join('; ')}`);
    const counts = async (place: string) => {
      const count = (n: number) => `${place} | grep --text --count --fixed-strings --file=/run/sought/${n}`;
      return (await project.asRoot(patterns.map((_, n) => count(n)).join('; '))).split('\n').map(Number);
    };
    const [held, , , , isRunning] = await counts("cat /proc/[0-9]*/cmdline | tr '\\0' ' '");
    expect([held, isRunning]).toEqual([0, expect.any(Number)]);
    expect(isRunning).toBeGreaterThan(0);
    const holders =
      'for p in $(grep -lF -f /run/sought/0 /proc/[0-9]*/environ 2>/dev/null); do stat -c %U "$(dirname "$p")"; done | sort -u';
    expect(await project.asRoot(holders)).toBe('dev');
    const [inJournal, units] = await counts('journalctl --no-pager --output=export');
    expect([inJournal, units]).toEqual([0, expect.any(Number)]);
    expect(units).toBeGreaterThan(0);
    const token = `curl -s -X PUT -H 'x-aws-ec2-metadata-token-ttl-seconds: 60' http://169.254.169.254/latest/api/token`;
    const [inUserData, , , urls] = await counts(
      `curl -s -H "x-aws-ec2-metadata-token: $(${token})" http://169.254.169.254/latest/user-data`,
    );
    expect([inUserData, urls]).toEqual([0, 1]);
    const [inFiles, , lines] = await counts('find /workspace /var /etc /tmp /home /root -xdev -type f -exec cat {} +');
    expect([inFiles, lines]).toEqual([0, expect.any(Number)]);
    expect(lines).toBeGreaterThan(0);
    await project.sh('rm using');
    await running;
  });

  it('the workload reaches the host of its list through the proxy, another not, and none by itself', async () => {
    const curl = 'curl --silent --show-error --max-time 20';
    expect(await project.sh(`${curl} http://allowed.example/`)).toBe('outside');
    expect(await project.sh(`${curl} --write-out ' %{http_code}' http://other.example/`)).toMatch(/not in the egress list[\s\S]* 403$/);
    const direct = `${curl} --noproxy '*' http://${OUTSIDE}/ 2>&1; echo " $?"`;
    expect(await project.sh(direct)).toMatch(/ 7\n$/);
    expect(await project.asRoot(direct)).toMatch(/^outside 0$/);
    const resolver = 'getent ahosts devctl.example; curl --noproxy "*" --silent --max-time 5 telnet://10.0.2.3:53 < /dev/null; echo " $?"';
    expect(await project.sh(resolver)).toBe(' 7\n');
  });

  it('nor does a container, which is in a network of its own', async () => {
    await project.dockerUp();
    await project.makeImage('tiny');
    // With no list it is answered: test/vm/docker.test.ts.
    const said = await project.sh(`docker run --rm tiny bash -c '${ASK_OUTSIDE}' 2>&1; echo " $?"`);
    expect(said).toMatch(
      /\/dev\/tcp\/203\.0\.113\.80\/80: (Connection refused|Connection timed out|Network is unreachable|No route to host)[\s\S]* [1-9]\d*\n$/,
    );
    expect(said).not.toContain('outside');
  });

  it('it is made quiet and powers off by itself when its hard limit passes and nobody answers', async () => {
    await project.must('down');
    await project.up('--max', HARD_LIMIT);
    box = await project.box();
    await project.sh('echo unsynced > note.txt');
    await bench.laptop.crash();
    await vi.waitUntil(() => bench.machines.port(box) === null, { timeout: 11 * MINUTE_MS, interval: 500 });
    const said = bench.machines.log(box);
    expect(said).toMatch(
      /\n\[devctl\] the hard limit has passed and no launcher answers: stopping by itself\n\[devctl\] quiet: .*release \d+ ms[\s\S]*\n\[devctl\] ending: hard limit with no launcher\n/,
    );
    const copy = join(bench.machines.dir, 'copy');
    copyDisk(bench.machines.latestVolume, copy);
    expect(spawnSync('xfs_logprint', ['-t', copy], { encoding: 'utf8' }).stdout).toContain('<CLEAN>');
    const at = join(bench.machines.dir, 'at');
    mkdirSync(at);
    expect(spawnSync('mount', ['-o', 'ro,norecovery,loop', copy, at], { encoding: 'utf8' }).stderr).toBe('');
    try {
      expect(readFileSync(join(at, 'src/note.txt'), 'utf8')).toBe('unsynced\n');
    } finally {
      spawnSync('umount', [at]);
    }
    // Every byte that both machines left on their disk, and every word that this one said.
    function* left(): Generator<readonly [string, Buffer | string]> {
      for (const piece of piecesOf(copy)) yield ['volume', piece];
      yield ['log', said];
      yield ['console', readFileSync(join(bench.machines.dir, 'instances', box, 'console.log'))];
      for (const text of bench.account.seen) yield ['request', text];
    }
    expect(foundIn('line 7', left())).toContain('volume (plain)');
    expect(foundIn(SECRET, left())).toEqual([]);
  });
});
