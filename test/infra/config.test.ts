import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ConfigError, parseTargetConfig, readTargetConfig } from '../../infra/config.ts';
import { agentQualifierOf, namesOf } from '../../infra/names.ts';

const GOOD = { region: 'eu-central-1', alertEmails: ['team@example.com'] };
const subnet = (id: string, az: string) => ({ id: `subnet-0123456789abcdef${id}`, az: `eu-central-1${az}` });
const VPC = { vpcId: 'vpc-0123456789abcdef0', subnets: [subnet('0', 'a'), subnet('1', 'b')] };

const refused = (given: unknown): string => {
  try {
    parseTargetConfig(given, 'file');
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    expect((error as ConfigError).hint).toContain('docs/target.example.json');
    return (error as ConfigError).message;
  }
  throw new Error('it was taken');
};

describe('what is wrong is told by field, with what was got and what is allowed', () => {
  it.each<[Record<string, unknown>, string]>([
    [{ region: undefined }, 'region is missing, and must be of type string'],
    [{ region: 'cn-north-1' }, 'region "cn-north-1" must look like eu-central-1: one of the regions of AWS that is not in China'],
    [{ alertEmails: ['a@b.co', 'A@b.co'] }, 'alertEmails ["a@b.co","A@b.co"] names one twice'],
    [{ region: 'frankfurt' }, 'region "frankfurt" must look like eu-central-1'],
    [{ deployment: 'My Team' }, 'deployment "My Team" must look like team-a: 3 to 20 small letters, figures and dashes'],
    [{ deployment: 'team-' }, 'deployment "team-" must look like'],
    [{ deployment: 'a'.repeat(21) }, 'must look like team-a'],
    [{ account: 123456789012 }, 'account 123456789012 must be of type string'],
    [{ account: '1234' }, 'account "1234" must look like 123456789012'],
    [{ budgetUsd: 51 }, 'budgetUsd 51 must be at most 50'],
    [{ budgetUsd: 0 }, 'budgetUsd 0 must be at least 1'],
    [{ budgetUsd: '50' }, 'budgetUsd "50" must be of type number'],
    [{ ownerBudgetUsd: 60 }, 'ownerBudgetUsd 60 must be at most 50'],
    [{ alertEmails: [] }, 'alertEmails [] must have at least 1'],
    [{ alertEmails: ['team'] }, 'alertEmails.0 "team" must look like team@example.com'],
    [{ alertEmails: Array.from({ length: 11 }, (_, n) => `t${n}@example.com`) }, 'must have at most 10'],
    [{ architectures: [] }, 'architectures [] must have at least 1'],
    [{ architectures: ['amd64'] }, 'architectures.0 "amd64" use x86_64 or arm64'],
    [{ architectures: ['arm64', 'arm64'] }, 'names one twice'],
    [{ volumeGiB: 0 }, 'volumeGiB 0 must be at least 1'],
    [{ volumeGiB: 1.5 }, 'volumeGiB 1.5 must be a whole number'],
    [{ ttl: '3 days' }, 'ttl "3 days" must look like 72h'],
    [{ volumeInitializationRate: 50 }, 'volumeInitializationRate 50 must be at least 100'],
    [{ pool: { base: 101 } }, 'pool.base 101 must be at most 100'],
    [{ pool: { windows: ['always'] } }, 'pool.windows.0 "always" is not days, hours, time zone and size, such as'],
    [{ pool: { boxSize: 'huge' } }, 'pool.boxSize "huge" use small or medium'],
    [{ pool: { size: 1 } }, 'pool.size is not known: use base, windows, boxSize'],
    [{ reservedConcurrency: { api: 0, events: 1 } }, 'reservedConcurrency.api 0 must be at least 1'],
    [{ reservedConcurrency: { api: 1 } }, 'reservedConcurrency.events is missing'],
    [{ reservedConcurrency: 5 }, 'reservedConcurrency 5 must be of type object'],
    [{ fallback: { codeBuild: 'yes' } }, 'fallback.codeBuild "yes" must be of type boolean'],
    [{ fallback: { ecs: true } }, 'fallback.ecs is not known: use codeBuild'],
    [{ network: { vpcId: 'vpc-1' } }, 'network.vpcId "vpc-1" must look like vpc-0123456789abcdef0'],
    [{ network: { vpcId: VPC.vpcId } }, 'network.subnets is missing: name two or more public subnets of that VPC'],
    [{ network: { subnets: VPC.subnets } }, 'network.vpcId is missing: name the VPC that the subnets are of'],
    [{ network: { ...VPC, zones: 2 } }, 'network.zones 2 is for a new VPC'],
    [{ network: { ...VPC, subnets: [subnet('0', 'a'), subnet('1', 'a')] } }, 'must be in two zones or more'],
    [{ network: { ...VPC, subnets: [subnet('0', 'a')] } }, 'must have at least 2'],
    [
      { network: { ...VPC, subnets: [subnet('0', 'a'), { id: 'net', az: 'b' }] } },
      'network.subnets.1.id "net" must look like subnet-0123456789abcdef0; network.subnets.1.az "b" must look like eu-central-1a',
    ],
    [
      { network: { ...VPC, subnets: [subnet('0', 'a'), { ...subnet('1', 'b'), name: 'x' }] } },
      'network.subnets.1.name is not known: use id, az',
    ],
    [{ network: { zones: 1 } }, 'network.zones 1 must be at least 2'],
    [{ network: { nat: true } }, 'network.nat is not known: use vpcId, subnets, zones'],
    [{ target: { cluster: 'arn:aws:ecs:eu-central-1:1:cluster/x' } }, 'must look like generators: the name of a cluster, and not its ARN'],
    [{ target: { repositories: ['Generator'] } }, 'target.repositories.0 "Generator" must look like team/generator'],
    [
      { target: { taskDefinitions: ['generator:3'] } },
      'target.taskDefinitions.0 "generator:3" must look like generator: a family, without a revision',
    ],
    [{ target: { taskRoles: ['arn:aws:iam::1:role/x'] } }, 'must look like generator-task: the name of a role, and not its ARN'],
    [{ target: { executionRoles: ['a b'] } }, 'target.executionRoles.0 "a b" must look like'],
    [{ target: { secrets: ['npm'] } }, 'target.secrets.0 "npm" must look like arn:aws:secretsmanager:'],
    [{ target: { secrets: ['arn:aws:secretsmanager:eu-central-1:123456789012:secret:*'] } }, 'must look like arn:aws:secretsmanager:'],
    [{ target: { stacks: ['*'] } }, 'target.stacks.0 "*" must look like GeneratorDev'],
    [{ target: { logGroups: ['*'] } }, 'target.logGroups.0 "*" must look like /ecs/generator'],
    [{ target: { stacks: Array.from({ length: 51 }, (_, n) => `S${n}`) } }, 'must have at most 50'],
    [{ target: { buckets: [] } }, 'target.buckets is not known: use cluster, repositories,'],
    [{ subnet: 'x' }, 'subnet is not known: use deployment, region, account,'],
  ])('%j', (change, expected) => {
    expect(refused({ ...GOOD, ...change })).toContain(expected);
  });

  it.each([[[]], ['text'], [null], [7]])('a file that is %j', (given) => {
    expect(refused(given)).toMatch(/^file: the file .* must be of type object$/);
  });

  it('several at once, each with its own line', () => {
    expect(refused({ region: 'x', budgetUsd: 99 }).split('; ')).toHaveLength(3);
  });
});

describe('a file', () => {
  it('needs only what nobody can guess, and is whole then', () => {
    expect(parseTargetConfig(GOOD, 'file')).toMatchObject({
      deployment: 'devctl',
      budgetUsd: 50,
      ownerBudgetUsd: null,
      architectures: ['x86_64'],
      network: {},
      target: { stacks: [], secrets: [] },
      fallback: { codeBuild: false },
      reservedConcurrency: { api: 50, events: 20 },
    });
    expect(parseTargetConfig({ ...GOOD, reservedConcurrency: null }, 'file').reservedConcurrency).toBeNull();
  });

  it('the example is one', () => {
    expect(readTargetConfig('docs/target.example.json').deployment).toBe('devctl');
  });

  it('that is not there or is not JSON is told by its name', () => {
    const folder = mkdtempSync(join(tmpdir(), 'devctl-config-'));
    const file = join(folder, 'devctl.target.json');
    expect(() => readTargetConfig(file)).toThrow(`${file} cannot be read: no such file or folder`);
    writeFileSync(file, '{ "region": }');
    expect(() => readTargetConfig(file)).toThrow(`${file} is not JSON`);
    rmSync(folder, { recursive: true });
  });
});

describe('names', () => {
  it('fit into what AWS takes for the longest deployment in the longest region', () => {
    const names = namesOf('a-very-long-name-20c', { account: '123456789012', region: 'ap-southeast-1' });
    expect(names.assetsBucket.length).toBeLessThanOrEqual(63);
    expect(names.bucket.length).toBeLessThanOrEqual(63);
    for (const role of [names.launcherRole, names.boxRole, names.adminRole, names.buildRole, ...Object.values(names.cdkRoles)])
      expect(role.length, role).toBeLessThanOrEqual(64);
    expect(names.cdkQualifier).toHaveLength(10);
  });

  it('the qualifier is one of the CDK, begins with a letter, and is never that of its usual bootstrap', () => {
    for (const deployment of ['devctl', 'team-a', 'abc', 'a-b', 'a-b-c-d-e-f-g-h-i-j', 'hnb659fds', 'hnb-659fds'])
      expect(agentQualifierOf(deployment)).toMatch(/^(?!hnb659fds$)[a-z][a-z0-9]{0,9}$/);
  });

  it('two deployments have two qualifiers, whatever they have in common', () => {
    const alike = ['platform-team-a', 'platform-team-b', 'platform-team', 'team-a', 'teama', 'te-ama', 'hnb659fds', 'hnb-659fds'];
    expect(new Set(alike.map(agentQualifierOf)).size).toBe(alike.length);
  });

  it('the qualifier of a deployment stays what documents and projects of boxes say', () => {
    expect(agentQualifierOf('devctl')).toBe('devca3e051');
    const said = [...readFileSync('docs/ACCESS.md', 'utf8').matchAll(/(?:bootstrapQualifier": "|`cdk-)([a-z0-9]+)/g)].map(
      ([, qualifier]) => qualifier,
    );
    expect(said).toEqual(['devca3e051', 'devca3e051']);
  });
});
