import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { inRoot, provisionBinds, provisionEnv, provisionedRoot, REPLACED } from './root.mjs';

const VERIFY = '/opt/devctl/image/verify.sh';

let root: string;
let scratch: string;
beforeAll(() => {
  root = provisionedRoot();
});
beforeEach(() => {
  scratch = mkdtempSync(join(tmpdir(), 'devctl-root-'));
});
afterEach(() => rmSync(scratch, { recursive: true, force: true }));

const sh = (script: string, options = {}) => inRoot(root, ['bash', '-c', script], { scratch, ...options });
const wrongOf = (stderr: string) => [...stderr.matchAll(/^ {2}wrong: (.*)$/gm)].map(([, line]) => line);

describe('verify.sh', () => {
  it('finds everything in its place, and tells what was replaced', () => {
    const { status, stdout, stderr } = inRoot(root, [VERIFY], { scratch });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).toMatch(/^verify: all \d+ are as they should be$/m);
    for (const [name, value] of Object.entries(REPLACED)) expect(stdout).toContain(`  ${name}=${value}\n`);
  });

  it('names all that is wrong, and not only the first', () => {
    const broken: [string, string | RegExp][] = [
      ['rm /usr/bin/tmux', 'tool tmux is missing'],
      ['mv /usr/bin/newuidmap /root', 'tool newuidmap is missing'],
      [
        'sed -i s/^CLAUDE_CODE_VERSION=.*/CLAUDE_CODE_VERSION=9.9.9/ /opt/devctl/image/versions.env',
        /^version of Claude Code: \S+, and should be 9\.9\.9$/,
      ],
      ['echo "x = (" >/opt/devctl/agent.cjs', '/opt/devctl/agent.cjs is missing, or no program'],
      ['rm -r /opt/devctl/node_modules/@lydell/node-pty-linux-*', 'terminals (node-pty) cannot be loaded'],
      ['jq "del(.powerOff)" /etc/devctl/agent.json >/run/x; cp /run/x /etc/devctl/agent.json', '/etc/devctl/agent.json has no .powerOff'],
      ['systemctl disable --quiet devctl-agent.service', 'unit devctl-agent.service: disabled, and should be enabled'],
      ['rm /etc/systemd/system/ssh.service', 'unit ssh.service: nothing, and should be /dev/null'],
      [
        'sed -i s,^ExecStart=.*,ExecStart=/nonexistent, /etc/systemd/system/devctl-firewall.service',
        '/etc/systemd/system/devctl-firewall.service is missing, or not what the image has',
      ],
      ['', /^units of devctl by systemd-analyze verify: devctl-firewall\.service: Command \/nonexistent is not executable/],
      [
        'sed -i "s/fd00:ec2::254 meta/fd00:ec2::255 meta/" /etc/devctl/firewall.nft',
        '/etc/devctl/firewall.nft is missing, or not what the image has',
      ],
      ['', 'the firewall does not know both addresses of the metadata service'],
      ['chmod 0666 /etc/sysctl.d/90-devctl.conf', '/etc/sysctl.d/90-devctl.conf can be written by others'],
      ['gpasswd --add dev adm', 'groups of dev: dev adm, and should be dev'],
      ['echo "dev ALL=(ALL) NOPASSWD:ALL" >/etc/sudoers', 'dev may use sudo'],
      ['sed -i /^dev:/d /etc/subuid', '/etc/subuid has no range for dev'],
      ['useradd --uid 1001 ubuntu', 'users beside dev: ubuntu , and should be none'],
      ['usermod --password "" daemon', 'user daemon has a password, or needs none'],
      ['echo "/swapfile none swap sw 0 0" >>/etc/fstab', '/etc/fstab has swap'],
      ['echo 0123456789abcdef0123456789abcdef >/etc/machine-id', 'machine-id: 33, and should be 0'],
      ['mkdir -p /root/.ssh && touch /root/.ssh/authorized_keys', 'keys and credentials: /root/.ssh/authorized_keys , and should be none'],
      ['install -m 0777 /dev/null /usr/local/bin/helper', 'what everybody may write: /usr/local/bin/helper , and should be none'],
      ['truncate -s 1M /var/cache/devctl/npm.tar', 'cache of npm is missing, or damaged'],
      [
        'jq "map(select(.name != \\"typescript\\"))" /var/cache/devctl/npm.json >/run/x; cp /run/x /var/cache/devctl/npm.json',
        'cache of npm has no typescript',
      ],
      ['rm /etc/pip.conf', '/etc/pip.conf does not name the cache'],
    ];
    const done = sh(['set -e', ...broken.map(([command]) => command).filter((command) => command !== '')].join('\n'));
    expect(done).toMatchObject({ status: 0 });
    const { status, stderr } = inRoot(root, [VERIFY], { scratch });
    expect(status).toBe(1);
    const wrong = wrongOf(stderr);
    expect(wrong).toHaveLength(broken.length);
    for (const [command, line] of broken)
      expect(wrong, command).toContainEqual(typeof line === 'string' ? line : expect.stringMatching(line));
  });

  it('takes no replaced source for a real image', () => {
    const { status, stderr } = inRoot(root, [VERIFY], { scratch, env: { DEVCTL_STRICT: '1' } });
    expect(status).toBe(1);
    expect(wrongOf(stderr)).toEqual([expect.stringMatching(/^replaced sources: DEVCTL_SOURCE_NODE=\/tmp\/node .*, and should be none$/)]);
  });
});

describe('the provisioning', () => {
  it('may be run again', () => {
    const again = inRoot(root, ['/tmp/devctl-image/provision/run.sh'], { scratch, binds: provisionBinds(), env: provisionEnv });
    expect(again).toMatchObject({ status: 0, stdout: expect.stringMatching(/^verify: all \d+ are as they should be$/m) });
  });

  it('refuses a replaced source where a real image is baked', () => {
    const env = { ...provisionEnv, DEVCTL_STRICT: '1' };
    const { status, stderr } = inRoot(root, ['/tmp/devctl-image/provision/run.sh'], { scratch, binds: provisionBinds(), env });
    expect({ status, stderr }).toEqual({ status: 1, stderr: expect.stringContaining('DEVCTL_SOURCE_DOCKER=debian') });
  });

  it('ends with an error where a program of devctl is missing', () => {
    const env = { ...provisionEnv, DEVCTL_DIST: '/nonexistent' };
    const { status, stderr } = inRoot(root, ['/tmp/devctl-image/provision/70-devctl.sh'], { scratch, binds: provisionBinds(), env });
    expect({ status, stderr }).toEqual({
      status: 1,
      stderr: expect.stringContaining('/nonexistent/agent.cjs is missing: run npm run build'),
    });
  });

  it('leaves a report of versions, sizes and replaced sources', () => {
    const report = JSON.parse(readFileSync(join(root, 'etc/devctl/image.json'), 'utf8'));
    expect(report).toMatchObject({
      schema: 1,
      arch: process.arch === 'x64' ? 'amd64' : 'arm64',
      versions: { node: expect.stringMatching(/^24\./) },
    });
    expect(report.replaced).toEqual(Object.entries(REPLACED).map(([name, value]) => `${name}=${value}`));
    expect(report.caches.npm.packages).toContainEqual({ name: 'typescript', version: expect.stringMatching(/^5\.9\./) });
    expect(report.caches.npm.bytes).toBeGreaterThan(1_000_000);
    expect(report.boot.enabledUnits).toContain('devctl-agent.service');
    const megabytes = (bytes: number) => `${Math.round(bytes / 2 ** 20)} MiB`;
    console.log(
      `root ${megabytes(report.rootBytes)}, cache of npm ${megabytes(report.caches.npm.bytes)} in ${report.caches.npm.packages.length} packages`,
    );
  });
});

describe('the firewall', () => {
  it('lets root alone reach the metadata service, by both of its addresses', () => {
    const { status, stdout, stderr } = sh(
      `set -e
      ip link set lo up
      ip addr add 169.254.169.254/32 dev lo
      ip -6 addr add fd00:ec2::254/128 dev lo nodad
      node -e 'require("http").createServer((_, to) => to.end("metadata")).listen(80, "::", () => console.log("up"))' >/run/up &
      for _ in $(seq 100); do grep -q up /run/up && break; sleep 0.1; done
      ask() { curl --silent --max-time 5 "$@" http://169.254.169.254/ || true; echo; curl --silent --max-time 5 "$@" 'http://[fd00:ec2::254]/' || true; echo; }
      as_dev() { setpriv --reuid 1000 --regid 1000 --init-groups bash -c "$(declare -f ask); ask"; }
      echo before; as_dev
      nft -f /etc/devctl/firewall.nft; nft -f /etc/devctl/firewall.nft
      echo root; ask
      echo dev; as_dev
      echo mapped; setpriv --reuid 1000 --regid 1000 --init-groups unshare --user --map-root-user bash -c "$(declare -f ask); ask"
      echo elsewhere; setpriv --reuid 1000 --regid 1000 --init-groups curl --silent http://127.0.0.1/; echo
      kill %1`,
      { network: false },
    );
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    const yes = 'metadata\nmetadata\n';
    expect(stdout).toBe(`before\n${yes}root\n${yes}dev\n\n\nmapped\n\n\nelsewhere\nmetadata\n`);
  });
});

describe('CloudWatch', () => {
  const STAND_IN = `
    const [generation] = process.argv.slice(1);
    const answers = { 'meta-data/instance-id': 'i-0123456789abcdef0', 'meta-data/tags/instance/devctl:generation': generation, 'user-data': '{"devctl":1,"deployment":"team-a","launcherUrl":"https://x"}' };
    require('http').createServer((request, response) => {
      const path = request.url.replace('/latest/', '');
      if (request.method === 'PUT') return response.end('token');
      if (request.headers['x-aws-ec2-metadata-token'] !== 'token') response.statusCode = 401;
      else if (!answers[path]) response.statusCode = 404;
      response.end(answers[path] ?? '');
    }).listen(8111, '127.0.0.1', () => console.log('up'));`;
  const configure = (generation: string) =>
    sh(
      `ip link set lo up
      node -e "$STAND_IN" "${generation}" >/run/up &
      for _ in $(seq 100); do grep -q up /run/up && break; sleep 0.1; done
      AWS_EC2_METADATA_SERVICE_ENDPOINT=http://127.0.0.1:8111 /usr/lib/devctl/cloudwatch-config /run/config.json && cat /run/config.json
      code=$?; kill %1; exit $code`,
      { network: false, env: { STAND_IN } },
    );

  it('gets the names of the box: a group for the deployment, a stream for instance and generation', () => {
    const { status, stdout } = configure('3');
    expect(status).toBe(0);
    const { logs, metrics } = JSON.parse(stdout);
    expect(logs.logs_collected.files.collect_list).toEqual([
      expect.objectContaining({
        file_path: '/var/log/devctl/agent.log',
        log_group_name: '/devctl/team-a/box',
        log_stream_name: 'box/agent/i-0123456789abcdef0-g3',
      }),
    ]);
    expect(metrics.namespace).toBe('devctl/team-a/box');
    expect(Object.keys(metrics.metrics_collected)).toEqual(['cpu', 'mem', 'disk']);
  });

  it('waits for a box that is nobody’s, and takes no name that is a program for sed', () => {
    expect(configure('')).toMatchObject({ status: 22, stdout: '' });
    expect(configure('3/;e id')).toMatchObject({ status: 1, stderr: expect.stringContaining('not a name that CloudWatch can have') });
  });
});
