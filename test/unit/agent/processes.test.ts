import { describe, expect, it } from 'vitest';
import { agentName } from '../../../agent-bootstrap/ai-agents.ts';
import { foregroundOf, isPrompt } from '../../../agent-bootstrap/evidence-sampler.ts';
import { parseStatus } from '../../../agent-bootstrap/git-state.ts';
import { type ProcStat, parseCmdline, parseStat } from '../../../agent-bootstrap/proc-parse.ts';
import { nameOf } from '../../../agent-bootstrap/stop-workload.ts';

const LINE = '42 (a) b (c) S 7 42 40 34816 43 4194304 1 2 3 4 10 20 30 40 20 0 1 0 98765 0 0';

describe('lines of the kernel', () => {
  it('stat: a name may have spaces and parentheses', () => {
    expect(parseStat(LINE)).toEqual({
      pid: 42,
      comm: 'a) b (c',
      state: 'S',
      ppid: 7,
      pgrp: 42,
      session: 40,
      tty: 34816,
      tpgid: 43,
      ownTicks: 30,
      reapedTicks: 70,
      startTicks: 98765,
    });
    for (const text of ['', '42', '42 (x', '42 (x) S 1', 'x (y) S 1 2 3']) expect(parseStat(text)).toBeNull();
  });

  it('cmdline', () => expect(parseCmdline('node\0a b\0\0')).toEqual(['node', 'a b', '']));
});

describe('what waits and what works', () => {
  it.each([[['bash']], [['-bash']], [['/usr/bin/zsh', '-l']], [['bash', '--norc', '-i']]])('%j is a prompt', (words) =>
    expect(isPrompt(words)).toBe(true),
  );
  it.each([[['bash', '-c', 'x']], [['sh', 'script.sh']], [['bash', '-lc', 'x']], [['vim']], [['']]])('%j is not', (words) =>
    expect(isPrompt(words)).toBe(false),
  );

  const stat = (patch: Partial<ProcStat>): ProcStat => ({
    pid: 1,
    comm: 'x',
    state: 'S',
    ppid: 0,
    pgrp: 1,
    session: 1,
    tty: 0,
    tpgid: 1,
    ownTicks: 0,
    reapedTicks: 0,
    startTicks: 0,
    ...patch,
  });
  it('the foreground of a terminal', () => {
    const shell = stat({ pid: 10, pgrp: 10, tpgid: 10 });
    const names: Record<number, string[]> = { 10: ['-bash'], 20: ['vim', 'x'], 30: ['zsh'], 31: ['node', 'x.js'] };
    const cmdline = (pid: number) => names[pid] ?? [];
    expect(foregroundOf(10, [shell], cmdline)).toBeNull();
    expect(foregroundOf(99, [shell], cmdline)).toBeNull();
    expect(foregroundOf(10, [stat({ pid: 10, tpgid: -1 })], cmdline)).toBeNull();
    expect(foregroundOf(10, [{ ...shell, tpgid: 20 }, stat({ pid: 20, pgrp: 20 })], cmdline)).toBe('vim');
    expect(foregroundOf(10, [{ ...shell, tpgid: 30 }, stat({ pid: 30, pgrp: 30 })], cmdline)).toBeNull();
    expect(foregroundOf(10, [{ ...shell, tpgid: 30 }, stat({ pid: 31, pgrp: 30 }), stat({ pid: 30, pgrp: 30 })], cmdline)).toBe('zsh');
    expect(foregroundOf(10, [{ ...shell, tpgid: 77 }], cmdline)).toBeNull();
  });

  it.each([
    ['claude', ['claude'], 'claude'],
    ['node', ['node', '/usr/lib/node_modules/@anthropic-ai/claude-code/cli.js'], 'claude-code'],
    ['node', ['/usr/bin/node', '/home/dev/.local/bin/codex.js'], 'codex'],
    ['python3', ['python3', '/usr/bin/aider'], 'aider'],
    ['node', ['node', 'server.js', 'claude'], null],
    ['vim', ['vim', '/srv/claude.md'], null],
  ])('%s %j is the agent %s', (comm, words, name) => expect(agentName(comm, words)).toBe(name));
});

describe('names of commands for a receipt', () => {
  it.each([
    [['npm', 'run', 'dev'], 'npm run dev'],
    [['/usr/bin/node', 'server.js', '--token=s3cret'], 'node server.js'],
    [['mysql', '-psecret', 'shop'], 'mysql'],
    [['curl', 'https://user:pass@host'], 'curl'],
    [['-bash'], 'bash'],
    [['npm run dev'], 'npm'],
    [[''], 'comm'],
  ])('%j is %j: arguments may be secret', (words, name) => expect(nameOf({ comm: 'comm' }, words)).toBe(name));
});

describe('git status', () => {
  it('counts changed, renamed, unmerged and new files', () => {
    const text =
      '# branch.oid 123\0# branch.head main\0# branch.ab +1 -0\x001 .M N... 1 1 1 a b file\x002 R. N... 1 1 1 a b R100 new\0old name\0u UU x\0? un tracked\0';
    expect(parseStatus(text)).toEqual({ branch: 'main', detached: false, unborn: false, dirtyFiles: 4 });
    expect(parseStatus('# branch.oid (initial)\0# branch.head main\0')).toMatchObject({ unborn: true, branch: 'main' });
    expect(parseStatus('# branch.oid 1\0# branch.head (detached)\0')).toMatchObject({ detached: true, branch: null });
  });
});
