import { describe, expect, it } from 'vitest';
import { bootstrapWords } from '../../infra/commands/bootstrap.ts';
import { costLines } from '../../infra/commands/money.ts';
import { textIn, textsIn } from '../../infra/commands/query.ts';
import { confirm } from '../../infra/commands/terminal.ts';
import { readWords, UsageError } from '../../infra/commands/words.ts';
import { parseTargetConfig } from '../../infra/config.ts';
import { namesOf } from '../../infra/names.ts';

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
    [['deploy', '--force'], "Unknown option '--force'"],
    [['deploy', '--profile'], "Option '--profile <value>' argument missing"],
    [['deploy', '--end-boxes'], '--end-boxes is not for deploy'],
    [['destroy', '--bake'], '--bake is not for destroy'],
    [['destroy', '--template-only'], '--template-only is not for destroy'],
    [['deploy', '--template-only', '--dry-run'], '--template-only and --dry-run are two things: choose one'],
  ])('%j', (argv, message) => {
    expect(() => readWords(argv)).toThrow(UsageError);
    expect(() => readWords(argv)).toThrow(message);
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

it('what it costs is said with the figures of the file', () => {
  const config = parseTargetConfig({ region: 'eu-central-1', alertEmails: ['team@example.com'], budgetUsd: 30, pool: { base: 2 } }, 'file');
  const text = costLines(config).join('\n');
  expect(text).toContain('$0.40 a month');
  expect(text).toContain('all of $30.00 a month');
  expect(text).toContain('a reserve of 2 stopped boxes');
});

it('answers of the Query protocol are read by element', () => {
  const xml = '<A><RoleName>a</RoleName><Other>x</Other><RoleName>b</RoleName></A>';
  expect(textIn(xml, 'Other')).toBe('x');
  expect(textIn(xml, 'Code')).toBeUndefined();
  expect(textsIn(xml, 'RoleName')).toEqual(['a', 'b']);
});
