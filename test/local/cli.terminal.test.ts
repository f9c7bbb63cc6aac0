import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Person } from './cli-harness.ts';

let person: Person;
let folder: string;

beforeAll(async () => {
  person = new Person();
  folder = person.folder('term');
  writeFileSync(join(folder, 'a.txt'), 'a');
});
afterAll(() => person.leave());

describe('up on a terminal', () => {
  it('shows its steps and what to do next, and the data apart', async () => {
    const terminal = person.terminal(['up'], { cwd: folder });
    expect(await terminal.ends()).toBe(0);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: the terminal's own sequences are taken out
    const text = terminal.shown.replace(/\u001b\[[0-9;]*[A-Za-z]/g, '');
    for (const part of [
      /devctl · embedded launcher started \(local, \w+\) · state in /,
      /workspace term {2}new, from .*\/term \(1 file\)/,
      /✓ leased +\d/,
      /✓ box launched +\d.* cpu · /,
      /✓ workspace in +\d/,
      /✓ ready +\d/,
      /session ses_\w+ is ready/,
      /devctl down +snapshot it and let it go/,
    ]) {
      expect(text).toMatch(part);
    }
  });

  it('shows neither colours nor a live line when they are not wanted', async () => {
    const terminal = person.terminal(['up'], { cwd: folder, env: { NO_COLOR: '1', TERM: 'dumb' } });
    expect(await terminal.ends()).toBe(0);
    expect(terminal.shown).toContain('it was there already');
    expect(terminal.shown).not.toContain('\u001b');
  });
});

describe('shell', () => {
  it('is a real terminal: size, resize, Ctrl-C, a full screen, its exit code', async () => {
    const terminal = person.terminal(['shell'], { cwd: folder, cols: 91, rows: 33 });
    await terminal.shows('/workspace/src$ ');
    terminal.type('stty size\r');
    await terminal.shows('33 91');
    terminal.pty.resize(101, 41);
    terminal.type('until [ "$(stty size)" = "41 101" ]; do :; done; echo re""sized\r');
    await terminal.shows('resized');
    // With a trap: a shell that is about to start a program when it is interrupted may lose the signal.
    terminal.type(`sh -c 'trap "exit 130" INT; echo run""ning; while :; do sleep 0.05; done'\r`);
    await terminal.shows('running');
    terminal.type('\u0003');
    await terminal.shows('^C');
    terminal.type('echo "code $?"; tput smcup; tput rmcup\r');
    await terminal.shows('code 130');
    await terminal.shows('\u001b[?1049h');
    terminal.type('exit 9\r');
    expect(await terminal.ends()).toBe(9);
  });

  it('leaves the terminal as it was', async () => {
    const script = `stty -a > before; "${process.execPath}" "$DEVCTL" exec -t -- sh -c 'stty raw; exit 3'; echo "left with $?"; stty -a > after; cmp before after && echo same`;
    const terminal = person.script(script, folder);
    await terminal.shows('left with 3');
    await terminal.shows('same');
    expect(await terminal.ends()).toBe(0);
  });

  it('leaves the terminal as it was when it is told to end', async () => {
    const script = `stty -a > before; sh -c 'echo "pid=$$."; exec "${process.execPath}" "$DEVCTL" shell'; stty -a > after; cmp before after && echo same`;
    const terminal = person.script(script, folder);
    await terminal.shows('/workspace/src$ ');
    const pid = Number(/pid=(\d+)\./.exec(terminal.shown)?.[1]);
    process.kill(pid, 'SIGTERM');
    await terminal.shows('same');
    expect(await terminal.ends()).toBe(0);
  });
});

describe('Ctrl-C', () => {
  it('in a waiting up leaves the session, and says so', async () => {
    const other = person.folder('other');
    const terminal = person.terminal(['up', '--no-import'], { cwd: other });
    await terminal.shows('leased');
    terminal.type('\u0003');
    const code = await terminal.ends();
    // It may have been ready already: then there was nothing to interrupt.
    if (!terminal.shown.includes('is ready')) {
      expect(code).toBe(130);
      expect(terminal.shown).toContain('devctl up takes it up again');
    }
    expect(await person.must(['up', '--no-import', '-o', 'plain'], { cwd: other })).toMatch(/\tother\tready\n$/);
    await person.must(['down'], { cwd: other });
  });

  it('in exec goes to the command, not to devctl', async () => {
    const terminal = person.terminal(['exec', '--', 'sh', '-c', 'trap "echo caught; exit 4" INT; echo set; while :; do sleep 0.05; done'], {
      cwd: folder,
    });
    await terminal.shows('set');
    terminal.type('\u0003');
    await terminal.shows('caught');
    expect(await terminal.ends()).toBe(4);
  });
});

describe('questions', () => {
  it.each([
    ['no', 'n\r'],
    ['Ctrl-C', '\u0003'],
  ])('are asked on a terminal, and %s is no', async (_answer, typed) => {
    const terminal = person.terminal(['down', '--all'], { cwd: folder });
    await terminal.shows('end 1 session (term)? [y/N] ');
    terminal.type(typed);
    await terminal.shows('nothing was done');
    expect(await terminal.ends()).toBe(1);
    expect(terminal.shown).not.toContain('error');
    expect(await person.must(['ls', '-o', 'plain'])).toContain('term\tready');
  });
});
