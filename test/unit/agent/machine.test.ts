import { describe, expect, it } from 'vitest';
import { buildOf } from '../../../agent-bootstrap/builds.ts';
import { parseConnections, visitedPorts } from '../../../agent-bootstrap/connections.ts';
import { parseContainers, projectsIn } from '../../../agent-bootstrap/docker.ts';
import { groupsOf } from '../../../agent-bootstrap/launch.ts';
import { cgroupPath, inRanges, type ProcStat, parseIds, parseSubordinate } from '../../../agent-bootstrap/proc-parse.ts';
import { doorOf, terminalPath } from '../../../agent-bootstrap/terminals.ts';

describe('whose a process is', () => {
  it('by its ids', () => {
    const text = 'Name:\tx\nUid:\t1000\t1001\t1002\t1003\nGid:\t7\t7\t7\t7\nFDSize:\t64\n';
    expect(parseIds(text)).toEqual({ uids: [1000, 1001, 1002, 1003], gids: [7, 7, 7, 7] });
    expect(parseIds('')).toEqual({ uids: [], gids: [] });
  });

  it('by what its user has besides', () => {
    const text = '# comment\ndev:100000:65536\nother:200000:65536\n1000:300000:10\ndev:broken:1\n\n';
    const ranges = parseSubordinate(text, 'dev', 1000);
    expect(ranges).toEqual([
      { first: 100_000, count: 65_536 },
      { first: 300_000, count: 10 },
    ]);
    expect([99_999, 100_000, 165_535, 165_536, 300_009, 300_010].map((id) => inRanges(id, ranges))).toEqual([
      false,
      true,
      true,
      false,
      true,
      false,
    ]);
  });

  it('by its cgroup of version 2, beside those of version 1', () => {
    expect(cgroupPath('12:pids:/x\n0::/devctl.slice/devctl-workload.slice/commands\n')).toBe(
      '/devctl.slice/devctl-workload.slice/commands',
    );
    expect(cgroupPath('1:name=systemd:/\n')).toBe('');
  });

  it('groups of a user are his own and those that list him', () => {
    const text = 'root:x:0:\ndev:x:1000:\nvideo:x:44:other,dev\nstaff:x:50:device,developers\nbad:x:no:dev\n';
    expect(groupsOf(text, 'dev', 1000)).toEqual([1000, 44]);
  });
});

describe('connections', () => {
  const HEAD = '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n';
  const line = (local: string, remote: string, state: string, uid: number, inode = 1) =>
    `   0: ${local} ${remote} ${state} 00000000:00000000 00:00000000 00000000 ${uid} 0 ${inode} 1 0 100 0 0 10 0\n`;
  const mapped = (address: string) => `0000000000000000FFFF0000${address}`;
  const ports = (...lines: string[]) => visitedPorts(parseConnections(HEAD + lines.join('')), (uid) => uid === 1000);

  it('are read with their states', () => {
    const text =
      HEAD + line('0100007F:1F90', '00000000:0000', '0A', 1000, 7) + line(mapped('0100007F:1F90'), mapped('0100007F:D431'), '01', 0, 8);
    const served = { local: '0100007F:1F90', localPort: 8080 };
    expect(parseConnections(text)).toEqual([
      { ...served, remote: '00000000:0000', state: 'listening', uid: 1000, inode: '7' },
      { ...served, remote: '0100007F:D431', state: 'established', uid: 0, inode: '8' },
    ]);
    expect(parseConnections('what\never\n')).toEqual([]);
  });

  it('from outside to a port of the workload are visits', () => {
    const listen = line('00000000:1F90', '00000000:0000', '0A', 1000);
    expect(ports(listen)).toEqual([]);
    expect(ports(listen, line('0A00000A:1F90', '0B00000A:D431', '01', 1000))).toEqual([8080]);
    // Over loopback from a tunnel of root's, in both notations.
    const served = line(mapped('0100007F:1F90'), mapped('0100007F:D431'), '01', 1000);
    expect(ports(listen, served, line('0100007F:D431', '0100007F:1F90', '01', 0))).toEqual([8080]);
    // From the workload itself.
    expect(ports(listen, served, line('0100007F:D431', '0100007F:1F90', '01', 1000))).toEqual([]);
    // Where the workload calls out, or where somebody else listens.
    expect(ports(line('0A00000A:D431', '0B00000A:01BB', '01', 1000))).toEqual([]);
    expect(ports(line('00000000:0016', '00000000:0000', '0A', 0), line('0A00000A:0016', '0B00000A:D431', '01', 0))).toEqual([]);
    expect(ports(listen, line('0A00000A:1F90', '0B00000A:D431', '06', 0))).toEqual([]);
  });
});

describe('terminals', () => {
  it.each([
    [0x8800, '/dev/pts/0'],
    [0x8803, '/dev/pts/3'],
    [0x8900 + 1, '/dev/pts/257'],
    [0x8800 + (1 << 20), '/dev/pts/256'],
    [0x0401, '/dev/tty1'],
    [0x0440, '/dev/ttyS0'],
    [0x0400, null],
    [0x0501, null],
    [0, null],
  ])('%i is %s', (number, path) => expect(terminalPath(number)).toBe(path));

  it('know who let somebody in', () => {
    const stat = (pid: number, ppid: number, comm: string): ProcStat => ({
      pid,
      ppid,
      comm,
      state: 'S',
      pgrp: pid,
      session: pid,
      tty: 0,
      tpgid: 0,
      ownTicks: 0,
      reapedTicks: 0,
      startTicks: 0,
    });
    const list = [
      stat(2, 1, 'ssm-session-wor'),
      stat(3, 2, 'sh'),
      stat(4, 3, 'bash'),
      stat(5, 1, 'bash'),
      stat(6, 7, 'a'),
      stat(7, 6, 'b'),
    ];
    const byPid = new Map(list.map((item) => [item.pid, item]));
    expect(doorOf(byPid.get(4) as ProcStat, byPid)).toBe('Session Manager');
    expect(doorOf(byPid.get(5) as ProcStat, byPid)).toBe('elsewhere');
    expect(doorOf(byPid.get(6) as ProcStat, byPid)).toBe('elsewhere');
  });
});

describe('images and containers', () => {
  it.each([
    [['docker', 'build', '.'], 'docker build'],
    [['/usr/bin/docker', '-H', 'unix:///x', 'buildx', 'bake'], 'docker bake'],
    [['docker', 'compose', 'build', '--build-arg', 'SECRET=x'], 'docker build'],
    [['buildctl', 'build'], 'buildctl build'],
    [['/usr/libexec/docker/cli-plugins/docker-buildx', 'buildx', 'build'], 'docker-buildx build'],
    [['runc', '--root', '/run/x', 'run', '--bundle', '/workspace/docker/buildkit/executor/abc'], 'a step of BuildKit'],
    [['docker', 'run', 'build'], null],
    [['docker', 'exec', 'x', 'build'], null],
    [['docker', 'ps'], null],
    [['npm', 'run', 'build'], null],
    [[''], null],
  ])('%j is %s', (cmdline, build) => expect(buildOf(cmdline)).toBe(build));

  it('a list is read as far as it is as it should be', () => {
    const id = 'a'.repeat(64);
    const labels = { 'com.docker.compose.project': 'shop' };
    const list = [
      { Id: id, Names: ['/shop-db-1'], Labels: labels },
      { Id: id, Labels: null },
      { Id: '../../etc' },
      null,
      7,
      { Id: 'b'.repeat(12), Names: [], Labels: labels },
    ];
    const found = parseContainers(JSON.stringify(list));
    expect(found).toEqual([
      { id, name: 'shop-db-1', project: 'shop' },
      { id, name: 'aaaaaaaaaaaa', project: null },
      { id: 'b'.repeat(12), name: 'bbbbbbbbbbbb', project: 'shop' },
    ]);
    expect(projectsIn(found)).toBe('shop (2 containers)');
    expect(projectsIn(found.slice(1, 2))).toBeNull();
    expect(parseContainers('{"message":"no"}')).toEqual([]);
    expect(() => parseContainers('no JSON')).toThrow(SyntaxError);
  });
});
