import { chmodSync, existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readTar, streamOf, tarOf } from '../local/archives.ts';
import { eventually, shell, startExec } from '../local/local-harness.ts';
import { MachineBox } from './machine-box.ts';

const ROUNDS = 12;
const FILES = 200;

let machine: MachineBox;
let treasure: string;
beforeAll(async () => {
  machine = new MachineBox();
  treasure = join(machine.dir, 'treasure');
  mkdirSync(treasure, { mode: 0o700 });
  writeFileSync(join(treasure, 'secret'), 'of-root', { mode: 0o600 });
  await machine.start();
});
afterAll(() => machine?.close());

const say = (line: string) => shell(machine.access, machine.box, line);
const at = (...parts: string[]) => join(machine.workspace, ...parts);
const file = (name: string, content: string) => ({ name, content });
const helpers = () => machine.processes().filter((line) => / files$/.test(line));

describe('files in and out of a box of a machine', () => {
  it('fill an empty source as the workload’s user, all or nothing', async () => {
    const whole = await tarOf([{ name: 'deep', type: 'directory', mode: 0o750 }, file('deep/a', 'one'), file('b', 'two')]);
    await expect(machine.agent.importSource(streamOf(whole.subarray(0, 1500)))).rejects.toMatchObject({ code: 'invalid_archive' });
    expect(readdirSync(at('src'))).toEqual([]);
    expect(await machine.agent.importSource(streamOf(whole))).toEqual({ files: 3, bytes: 6 });
    const { uid, gid } = machine.user;
    for (const path of ['', 'deep', 'deep/a', 'b']) expect(statSync(at('src', path)), path).toMatchObject({ uid, gid });
    expect(statSync(at('src/deep')).mode & 0o777).toBe(0o750);
    await expect(machine.agent.importSource(streamOf(whole))).rejects.toMatchObject({ code: 'workspace_not_empty' });
    await machine.beat((beat) => beat.contentPresent);
    expect(readdirSync(at('.devctl-box/staging'))).toEqual([]);
  });

  it('come and go as the workload’s user', async () => {
    await machine.agent.putFiles('put/here', streamOf(await tarOf([file('c', 'three')])));
    expect(statSync(at('src/put/here/c')).uid).toBe(machine.user.uid);
    const found = await readTar(await machine.agent.getFiles('put'));
    expect(found.map(({ name, content }) => [name, content.toString()])).toContainEqual(['put/here/c', 'three']);
    await expect(machine.agent.getFiles(treasure)).rejects.toMatchObject({
      code: 'invalid_request',
      detail: expect.stringContaining('permission denied'),
    });
    await expect(machine.agent.getFiles(`${treasure}/secret`)).rejects.toMatchObject({ code: 'invalid_request' });
    await expect(machine.agent.putFiles(treasure, streamOf(await tarOf([file('x', 'x')])))).rejects.toMatchObject({
      code: 'invalid_request',
    });
    await expect(machine.agent.putFiles('/etc', streamOf(await tarOf([file('devctl-x', 'x')])))).rejects.toMatchObject({
      code: 'invalid_request',
    });
    await expect(machine.agent.putFiles('/workspace/.devctl-box/journal', streamOf(await tarOf([file('x', 'x')])))).rejects.toMatchObject({
      code: 'invalid_request',
    });
    await expect(machine.agent.getFiles('no/such')).rejects.toMatchObject({ code: 'not_found' });
  });

  it('are led nowhere by links that are changed while they are copied', async () => {
    chmodSync(treasure, 0o700);
    // In turn a folder, and a link to what is root's.
    const swap = `mkdir -p swap/real && echo mine > swap/real/secret && cd swap && while :; do ln -sfn ${treasure} turn; ln -sfn real turn; mv -T turn other; mv -T other turn; done`;
    const swapping = await startExec(machine.access, machine.box, { argv: ['sh', '-c', `echo up; ${swap}`] });
    await swapping.until(({ stdout }) => stdout.includes('up'));
    await eventually(() => lstatSync(at('src/swap/turn'), { throwIfNoEntry: false })?.isSymbolicLink() === true);
    const archive = await tarOf(Array.from({ length: FILES }, (_, n) => file(`f${n}`, 'x')));
    for (let round = 0; round < ROUNDS; round += 1) {
      await machine.agent.putFiles('swap/turn', streamOf(archive)).catch(() => {});
      const got = await machine.agent.getFiles('swap/turn/secret').then(readTar, () => []);
      for (const { content } of got) expect(content.toString()).toBe('mine\n');
    }
    swapping.stream.destroy();
    expect(readdirSync(treasure)).toEqual(['secret']);
    expect(readFileSync(join(treasure, 'secret'), 'utf8')).toBe('of-root');
  });

  it('may have names that look like something else', async () => {
    const names = ['-rf', '--help', '$(id)', 'a b', '*', '..x', 'new\nline'];
    await machine.agent.putFiles('odd', streamOf(await tarOf(names.map((name) => file(name, name)))));
    expect(readdirSync(at('src/odd')).sort()).toEqual([...names].sort());
    const got = await readTar(await machine.agent.getFiles('odd'));
    expect(
      got
        .filter(({ type }) => type === 'file')
        .map(({ content }) => content.toString())
        .sort(),
    ).toEqual([...names].sort());
  });

  it('that somebody in the box cuts off are told so, and the next ones come', async () => {
    const body = new PassThrough();
    const cut = machine.agent.putFiles('cut', body);
    cut.catch(() => {});
    const archive = await tarOf([file('big', 'x'.repeat(500_000))]);
    body.write(archive.subarray(0, 300_000));
    await eventually(() => readdirSync(at('.devctl-box/staging')).length > 0);
    await say('pkill -KILL -f "agent.cjs files"');
    await expect(cut).rejects.toMatchObject({ code: 'internal', detail: expect.stringContaining('cut off') });
    body.destroy();
    expect(await machine.agent.putFiles('cut', streamOf(archive))).toMatchObject({ files: 1 });
  });

  it('do not fail by a helper that was ended while it waited for them', async () => {
    const copies = [
      async () => expect(await machine.agent.putFiles('spare', streamOf(await tarOf([file('b', 'two')])))).toMatchObject({ files: 1 }),
      async () => expect(await readTar(await machine.agent.getFiles('spare'))).toHaveLength(3),
    ];
    for (const copy of copies) {
      await machine.agent.putFiles('spare', streamOf(await tarOf([file('a', 'one')])));
      await eventually(() => helpers().length === 1);
      // It takes the question, and ends before it reads it.
      await say('pkill -STOP -f "agent.cjs file[s]$"');
      const copied = copy();
      await eventually(() => helpers().length === 2);
      await say('pkill -KILL -f "agent.cjs file[s]$"');
      await copied;
    }
  });

  it('wait while the disk is copied', async () => {
    const body = new PassThrough();
    const archive = await tarOf([file('slow', 'x'.repeat(200_000))]);
    const put = machine.agent.putFiles('slow', body);
    body.write(archive.subarray(0, 100_000));
    await eventually(() => readdirSync(at('.devctl-box/staging')).some((name) => existsSync(at('.devctl-box/staging', name, 'slow'))));
    await machine.agent.freeze('copy', 60_000);
    body.end(archive.subarray(100_000));
    const [name] = readdirSync(at('.devctl-box/staging')).filter((entry) => existsSync(at('.devctl-box/staging', entry, 'slow')));
    const { size } = statSync(at('.devctl-box/staging', name as string, 'slow'));
    expect(await machine.agent.thaw('copy')).toBe(true);
    expect(size).toBeLessThan(200_000);
    expect(await put).toMatchObject({ files: 1, bytes: 200_000 });
  });

  it('end with the box, and are named by nobody', async () => {
    const body = new PassThrough();
    const put = machine.agent.putFiles('late', body);
    put.catch(() => {});
    body.write((await tarOf([file('late', 'x'.repeat(200_000))])).subarray(0, 100_000));
    await eventually(() => helpers().length > 0);
    machine.order({ state: 'hold' });
    const report = await machine.agent.quiesce('end', 30_000);
    await expect(put).rejects.toMatchObject({ code: 'wrong_phase' });
    body.destroy();
    expect(helpers()).toEqual([]);
    expect([...report.stoppedProcesses, ...report.killedProcesses].join()).not.toContain('node');
    await expect(machine.agent.putFiles('late', streamOf(await tarOf([file('x', 'x')])))).rejects.toMatchObject({ code: 'wrong_phase' });
  });
});
