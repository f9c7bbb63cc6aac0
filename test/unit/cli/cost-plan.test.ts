import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { runLine } from '../../support/command-line.ts';
import { templateOf } from '../../support/template.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'devctl-plan-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const PLAN = 'cost --plan --template t.json';
const run = (line: string) => runLine(dir, line);
const write = (resources: Record<string, unknown> = {}): void => writeFileSync(join(dir, 't.json'), JSON.stringify(templateOf(resources)));

interface Answer {
  standingMicroUsd: number;
  ways: Array<{ teamMicroUsd: number }>;
  standing: { microUsd: number; lines: Array<{ rate: string; source: string; resources: string[] }> };
}
const answer = async (line: string): Promise<Answer> => JSON.parse((await run(`${line} --json`)).out) as Answer;

describe('the plan of a month with a template', () => {
  it('names what is paid for while nobody works, and the ways to give boxes below it', async () => {
    write();
    const { code, out, err } = await run(PLAN);
    expect([code, err]).toEqual([0, '']);
    expect(out).toMatch(/^WHILE NOBODY WORKS +A MONTH +PRICE +FREE +COSTS +NOTHING FREE +PRICE PAGE$/m);
    expect(out).toMatch(/^secrets +1 secret +\$0\.40 +no +\$0\.40 +\$0\.40 +AWS Secrets Manager pricing, \d{4}-\d\d$/m);
    expect(out).toMatch(/^calls of functions +43,800 calls +\$0\.20\/1M +yes +\$0\.00 +\$0\.01 +AWS Lambda pricing/m);
    expect(out).toMatch(/^in all +\$0\.9\d +\$\d\.\d\d$/m);
    expect(out).toContain('8 resources of 7 types that cost nothing then');
    expect(out).toMatch(/^ephemeral +spot/m);
  });

  it('counts it into the month of a team, with what its boxes say to the launcher', async () => {
    write();
    const alone = await answer(`${PLAN} --developers 0`);
    expect(alone.standingMicroUsd).toBe(alone.standing.microUsd);
    expect(alone.ways.map(({ teamMicroUsd }) => teamMicroUsd)).toEqual([alone.standingMicroUsd, alone.standingMicroUsd, 0]);
    expect(alone.standing.lines[0]).toMatchObject({ rate: 'secret', source: expect.stringContaining('pricing'), resources: ['Secret'] });
    const plain = (await answer('cost --plan --workspace-gib 60')).ways[0]?.teamMicroUsd ?? 0;
    const one = (await answer(`${PLAN} --workspace-gib 60`)).ways[0]?.teamMicroUsd ?? 0;
    expect(one - plain).toBeGreaterThan(alone.standingMicroUsd - 800_000);
    expect(one - plain).toBeLessThan(300_000);
  });

  it('is the same for cut and awk, one thing a row', async () => {
    write();
    const rows = (await run(`${PLAN} -o plain`)).out.trimEnd().split('\n');
    expect(rows[0]).toBe('secret\t0.4\t0.4');
    expect(rows.at(-3)).toMatch(/^ephemeral\t[\d.]+\t[\d.]+$/);
  });

  it('says how much of a line is free', async () => {
    write(Object.fromEntries(Array.from({ length: 11 }, (_, n) => [`Alarm${n}`, { Type: 'AWS::CloudWatch::Alarm' }])));
    expect((await run(PLAN)).out).toMatch(/^alarms +13 metrics of alarms +\$0\.10 +10 +\$0\.30 +\$1\.30 /m);
  });

  it('warns of a deployment, and of a team, that costs more than $50', async () => {
    write({ One: { Type: 'AWS::EC2::NatGateway' }, Two: { Type: 'AWS::EC2::NatGateway' } });
    const idle = await run(PLAN);
    expect(idle).toMatchObject({ code: 0, err: expect.stringMatching(/note: \$66\.\d\d a month while nobody works: more than \$50\.00/) });
    write();
    expect((await run(`${PLAN} --developers 4`)).err).toBe('');
    expect((await run(`${PLAN} --developers 6`)).err).toMatch(/note: \$\d\d\.\d\d a month in boxes that are let go when idle/);
  });
});

describe('a template that nothing can be said of', () => {
  const refused = async (words: string | RegExp): Promise<void> => {
    const { code, out, err } = await run(PLAN);
    expect([code, out]).toEqual([2, '']);
    expect(err).toMatch(words);
    expect(err).toContain('--template "t.json"');
  };

  it('is missing, or a folder', async () => {
    await refused(/no such file or folder/);
    mkdirSync(join(dir, 't.json'));
    await refused(/it is no file/);
  });

  it('is no JSON, or no template', async () => {
    writeFileSync(join(dir, 't.json'), 'Resources:\n  A: {}\n');
    await refused(/it is not JSON\n {2}give the template that CDK makes/);
    writeFileSync(join(dir, 't.json'), '{}');
    await refused(/it is no CloudFormation template/);
  });

  it('is larger than any', async () => {
    writeFileSync(join(dir, 't.json'), '');
    truncateSync(join(dir, 't.json'), 1024 ** 4);
    await refused(/it is larger than any template/);
  });

  it('has a type whose price is not known', async () => {
    write({ Database: { Type: 'AWS::RDS::DBInstance' } });
    await refused(/what these cost is not known: AWS::RDS::DBInstance \(Database\)/);
  });

  it('is given without a plan', async () => {
    expect(await run('cost --template t.json')).toMatchObject({ code: 2, err: expect.stringContaining('without --plan') });
  });
});
