import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { foldersOf, synthesize, typed } from '../../infra/commands/assembly.ts';
import { bootstrapWords } from '../../infra/commands/bootstrap.ts';
import { bakeLine, imageFileOf } from '../../infra/commands/image-file.ts';
import { costLines } from '../../infra/commands/money.ts';
import { textIn, textsIn } from '../../infra/commands/query.ts';
import { confirm } from '../../infra/commands/terminal.ts';
import { readWords, UsageError } from '../../infra/commands/words.ts';
import { parseTargetConfig } from '../../infra/config.ts';
import { namesOf } from '../../infra/names.ts';
import { readTemplate } from '../../launcher/contract/plan-template.ts';
import { imageCommand } from '../../packer/command.ts';
import { readImageSettings } from '../../packer/settings.ts';

describe('words of the commands', () => {
  it('have defaults that ask before they do something', () => {
    expect(readWords(['deploy'])).toEqual({
      verb: 'deploy',
      profile: undefined,
      configPath: 'devctl.target.json',
      yes: false,
      dryRun: false,
      templateOnly: false,
      bake: false,
      endBoxes: false,
      help: false,
    });
  });

  it.each([
    [[], 'no verb'],
    [['remove'], 'no verb remove: deploy or destroy'],
    [['deploy', 'now'], 'deploy takes no word now'],
    [['deploy', '--profil', 'x'], 'no flag --profil: did you mean --profile?'],
    [['deploy', '--kubernetes'], 'no flag --kubernetes'],
    [['deploy', '-y'], 'no flag -y'],
    [['deploy', '--profile'], '--profile needs a value'],
    [['deploy', '--profile', '--yes'], '--profile needs a value'],
    [['deploy', '--profile='], '--profile needs a value'],
    [['deploy', '--yes=no'], '--yes takes no value'],
    [['deploy', '--end-boxes'], '--end-boxes is not for deploy'],
    [['destroy', '--bake'], '--bake is not for destroy'],
    [['destroy', '--template-only'], '--template-only is not for destroy'],
    [['deploy', '--template-only', '--dry-run'], '--template-only and --dry-run are two things: choose one'],
  ])('%j', (argv, message) => {
    expect(() => readWords(argv)).toThrow(UsageError);
    expect(() => readWords(argv)).toThrow(new UsageError(message));
    expect(new UsageError(message).hint).toBe('see npm run deploy -- --help');
  });

  it('nothing is done where nobody can be asked', async () => {
    const surroundings = { say: () => {}, print: () => {}, root: '/', env: {}, isTerminal: false };
    await expect(confirm('?', false, surroundings)).rejects.toMatchObject({ hint: 'say --yes' });
    await expect(confirm('?', true, surroundings)).resolves.toBeUndefined();
  });
});

it('deploys from boxes are bootstrapped under a qualifier of their own, with policy and boundary on every role', () => {
  const names = namesOf('team-a', { account: '123456789012', region: 'eu-central-1' });
  const words = bootstrapWords(names, 'arn:aws:iam::123456789012:policy/team-a-cdk-execution', [{ key: 'env', value: 'dev' }]).join(' ');
  expect(words).toBe(
    'bootstrap aws://123456789012/eu-central-1 --toolkit-stack-name team-a-agent-toolkit --qualifier team96c288 ' +
      '--cloudformation-execution-policies arn:aws:iam::123456789012:policy/team-a-cdk-execution ' +
      '--custom-permissions-boundary team-a-boundary --apply-permissions-boundary-to-all-roles --tags env=dev',
  );
});

it('what it costs is said with the figures of the template and of the file', () => {
  const config = parseTargetConfig({ region: 'eu-central-1', alertEmails: ['team@example.com'], budgetUsd: 30, pool: { base: 2 } }, 'file');
  const template = (size: number) => {
    const Images = Object.fromEntries(Array.from({ length: size }, (_, i) => [`Boxes${i}`, { Type: 'AWS::EC2::LaunchTemplate' }]));
    const Resources = { ...Images, Secret: { Type: 'AWS::SecretsManager::Secret' }, Zone: { Type: 'AWS::EC2::VPC' } };
    return readTemplate(JSON.stringify({ Resources }));
  };
  const text = costLines(config, template(1), 'dist/deploy/devctl/devctl.template.json').join('\n');
  expect(text).toMatch(
    /^costs \$0\.80 a month while nobody uses it \(secrets \$0\.40, snapshots of images \$0\.40, the rest \$0\.00\), \$0\.80 where/,
  );
  expect(costLines(config, template(2), '').join('\n')).toContain('costs $1.20 a month while nobody uses it');
  expect(text).toContain('devctl cost --plan --template dist/deploy/devctl/devctl.template.json.');
  expect(text).toContain('all of $30.00 a month');
  expect(text).toContain('a reserve of 2 stopped boxes');
});

describe('what a deploy leaves for a bake', () => {
  const names = namesOf('team-a', { account: '123456789012', region: 'eu-central-1' });
  const file = 'dist/deploy/team-a/image.json';

  it('is what the bake reads, and nothing else', () => {
    const folder = mkdtempSync(join(tmpdir(), 'devctl-image-'));
    try {
      const config = parseTargetConfig({ region: 'eu-central-1', alertEmails: ['team@example.com'], architectures: ['arm64'] }, 'file');
      const outputs = {
        subnets: 'subnet-0123456789abcdef0,subnet-0123456789abcdef1',
        securityGroup: 'sg-0123456789abcdef0',
        instanceProfile: 'arn:aws:iam::123456789012:instance-profile/team-a-box',
      };
      const path = join(folder, 'image.json');
      writeFileSync(path, JSON.stringify(imageFileOf({ names, config, outputs })));
      expect(readImageSettings(path)).toEqual({
        deployedImages: 1,
        region: 'eu-central-1',
        deployment: 'team-a',
        images: { arm64: '/team-a/image/arm64' },
        subnets: ['subnet-0123456789abcdef0', 'subnet-0123456789abcdef1'],
        securityGroups: ['sg-0123456789abcdef0'],
        instanceProfileArn: 'arn:aws:iam::123456789012:instance-profile/team-a-box',
      });
      writeFileSync(path, JSON.stringify(imageFileOf({ names, config, outputs: { ...outputs, subnets: '' } })));
      expect(() => readImageSettings(path)).toThrow('image.json: subnets.0 "" must look like subnet-');
      expect(() => readImageSettings(join(folder, 'none.json'))).toThrow(
        expect.objectContaining({
          message: expect.stringMatching(/none\.json is not there$/),
          extra: { hint: expect.stringContaining('`npm run deploy`') },
        }),
      );
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it.each([
    [undefined, 'npm run image -- bake --arch arm64 --config dist/deploy/team-a/image.json'],
    ['dev', 'AWS_PROFILE=dev npm run image -- bake --arch arm64 --config dist/deploy/team-a/image.json'],
    ["our team's", "AWS_PROFILE='our team'\\''s' npm run image -- bake --arch arm64 --config dist/deploy/team-a/image.json"],
  ])('is said with the profile: %s', (profile, line) => {
    expect(bakeLine(file, 'arm64', profile)).toBe(line);
  });

  it('is told by the help of npm run image', async () => {
    const said: string[] = [];
    expect(await imageCommand(['--help'], { say: (line) => said.push(line), root: '/', env: {} })).toBe(0);
    expect(said.join('\n')).toMatch(/^usage: npm run image[\s\S]*dist\/deploy\/DEPLOYMENT\/image\.json/);
  });

  it('stays when another command makes the assembly anew', () => {
    const root = mkdtempSync(join(tmpdir(), 'devctl-assembly-'));
    try {
      const config = parseTargetConfig({ deployment: 'team-a', region: 'eu-central-1', alertEmails: ['team@example.com'] }, 'file');
      const codeFolder = join(root, 'code');
      mkdirSync(codeFolder);
      writeFileSync(join(codeFolder, 'index.mjs'), '');
      const folders = foldersOf(root, config);
      mkdirSync(folders.outFolder, { recursive: true });
      writeFileSync(folders.imageFile, '{}');
      const old = join(folders.outFolder, 'old.template.json');
      writeFileSync(old, '{}');
      const template = synthesize({ config, account: null, codeFolder, folders });
      expect(typed(folders, folders.imageFile)).toBe(file);
      expect([folders.imageFile, old, folders.templateFile].map((path) => existsSync(path))).toEqual([true, false, true]);
      expect(template.resources.map(({ type }) => type)).toContain('AWS::Lambda::Url');
    } finally {
      rmSync(root, { recursive: true });
    }
  });
});

it('answers of the Query protocol are read by element', () => {
  const xml = '<A><RoleName>a</RoleName><Other>x</Other><RoleName>b</RoleName></A>';
  expect(textIn(xml, 'Other')).toBe('x');
  expect(textIn(xml, 'Code')).toBeUndefined();
  expect(textsIn(xml, 'RoleName')).toEqual(['a', 'b']);
});
