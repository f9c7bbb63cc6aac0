import { describe, expect, it } from 'vitest';
import { FLAGS, KNOWN_ENV, settings } from '../../../launcher/cli/flags.ts';
import { checkEnvNames, findVerb, parseCall } from '../../../launcher/cli/parse.ts';
import { UsageError } from '../../../launcher/cli/usage-error.ts';
import type { Verb } from '../../../launcher/cli/verb.ts';
import { VERBS } from '../../../launcher/cli/verbs.ts';
import { wishOf } from '../../../launcher/cli/wish.ts';
import { SIZES } from '../../../launcher/contract/fields.ts';
import { nearest } from '../../../launcher/contract/nearest.ts';

const call = (line: string, env: Record<string, string> = {}) => {
  const { verb, words } = findVerb(VERBS, line.split(' '));
  return parseCall(verb, words, env);
};

const refusal = (run: () => unknown): string => {
  try {
    run();
  } catch (error) {
    if (error instanceof UsageError) return `${error.message} | ${error.advice ?? ''}`;
    throw error;
  }
  throw new Error('it was not refused');
};

describe('words of a command line', () => {
  it('reads flags in every form', () => {
    expect(call('up --size large --idle=2h ./x').flags).toEqual({ size: 'large', idle: '2h' });
    expect(call('ls -ojson').flags.output).toBe('json');
    expect(call('ls -o=plain').flags.output).toBe('plain');
    expect(call('ls --json').flags.output).toBe('json');
    expect(call('ls -aq').flags).toEqual({ lsAll: true, quiet: true });
    expect(call('up --no-network').flags.network).toBe(false);
    expect(call('exec -e A=1 -e B=2 shop env').flags.env).toEqual(['A=1', 'B=2']);
  });

  it('leaves the words of a command alone', () => {
    expect(call('exec -- npm test --watch -o x')).toMatchObject({ args: [], rest: ['npm', 'test', '--watch', '-o', 'x'] });
    expect(call('exec shop npm test --help')).toMatchObject({ args: ['shop'], rest: ['npm', 'test', '--help'] });
    expect(call('exec shop -t -- top -- x')).toMatchObject({ args: ['shop'], rest: ['top', '--', 'x'], flags: { tty: true } });
    expect(call('exec shop')).toMatchObject({ args: ['shop'], rest: null });
  });

  it('takes what follows -- as arguments elsewhere', () => {
    expect(call('up -- -odd').args).toEqual(['-odd']);
    expect(call('cp -- -odd shop:').args).toEqual(['-odd', 'shop:']);
  });

  it('finds verbs within groups', () => {
    expect(findVerb(VERBS, ['workspace', 'ls']).verb.name).toBe('workspace ls');
    expect(findVerb(VERBS, ['workspace', '--help']).verb.name).toBe('workspace');
    expect(call('token revoke tok_1').args).toEqual(['tok_1']);
  });

  it.each([
    ['upp', 'there is no verb "upp" | did you mean up?'],
    ['workspace lss', 'there is no verb "lss" in devctl workspace | did you mean ls?'],
    ['deploy', 'deploy is not a verb of devctl | in its repository: npm run deploy -- --help'],
    ['workspace deploy', 'there is no verb "deploy" in devctl workspace | see devctl workspace --help'],
    ['qqqqqq', 'there is no verb "qqqqqq" | see devctl help'],
    ['up --sise large', 'devctl up has no flag --sise | did you mean --size?'],
    ['up --no-netwrok', 'devctl up has no flag --no-netwrok | did you mean --no-network?'],
    ['ls -x', 'devctl ls has no flag -x | see devctl ls --help'],
    ['up --idle', '--idle needs a value | --idle TIME: stop after this long without work'],
    ['ls -o yaml', '-o "yaml" is not known | write table, json, plain'],
    ['up --size larg', '--size "larg" is not known | write large (allowed: small, medium, large, xlarge)'],
    ['up --policy on_demand', '--policy "on_demand" is not known | write on-demand (allowed: spot, spot-preferred, on-demand)'],
    ['ls one', '"one" is one argument too many for devctl ls | see devctl ls --help'],
    ['context use', 'devctl context use needs NAME | see devctl context use --help'],
    ['up --no-wait=x', '--no-wait takes no value | '],
    ['up --wait=perhaps', '--wait is "perhaps" | write yes or no'],
  ])('refuses %s', (line, words) => {
    expect(refusal(() => call(line))).toBe(words);
  });
});

describe('settings from the environment', () => {
  it('reads the twin of every kind of flag, and lets the flag win', () => {
    const env = { DEVCTL_SIZE: 'small', DEVCTL_NETWORK: 'no', DEVCTL_EXEC_ENV: 'A=1, B=2', DEVCTL_IDLE: '' };
    expect(call('up', env).flags).toEqual({ size: 'small', network: false });
    expect(call('up --size large', env).flags.size).toBe('large');
    expect(call('up --size large', env).given).toEqual(new Set(['size']));
    expect(call('exec shop x', env).flags.env).toEqual(['A=1', 'B=2']);
    const machine = { DEVCTL_POLICY: 'spot', DEVCTL_ARCH: 'arm64', DEVCTL_TYPE: 't4g.small,m8g.large' };
    const wish = { policy: 'spot', arch: 'arm64', instanceTypes: ['t4g.small', 'm8g.large'] };
    expect(wishOf(call('up', machine).flags)).toEqual(wish);
    expect(wishOf(call('fork --policy spot --arch arm64 --type t4g.small --type m8g.large').flags)).toEqual(wish);
  });

  it('refuses values and names that mean nothing', () => {
    expect(refusal(() => call('up', { DEVCTL_SIZE: 'huge' }))).toContain('DEVCTL_SIZE "huge" is not known');
    expect(refusal(() => call('up', { DEVCTL_WAIT: 'maybe' }))).toContain('DEVCTL_WAIT is "maybe"');
    expect(refusal(() => checkEnvNames({ DEVCTL_IDEL: '5m' }))).toBe(
      'the variable DEVCTL_IDEL is not known | did you mean DEVCTL_IDLE? See devctl help settings',
    );
    expect(() => checkEnvNames({ DEVCTL_HOME: '/x', DEVCTL_TOKEN: 'x', PATH: '/bin' })).not.toThrow();
  });

  it('gives every flag a twin of its own, and every setting a row', () => {
    const names = Object.values(FLAGS).map((flag) => flag.env);
    expect(new Set(names).size).toBe(names.length);
    expect(names.every((name) => /^DEVCTL_[A-Z][A-Z_]*$/.test(name))).toBe(true);
    expect(settings().map((row) => row.env)).toEqual([...KNOWN_ENV].sort());
  });

  it('knows the sizes of the contract', () => {
    expect(FLAGS.size.choices).toEqual(Object.keys(SIZES));
  });
});

describe('the verbs', () => {
  const every = (verbs: readonly Verb[]): Verb[] => verbs.flatMap((verb) => [verb, ...every(verb.verbs ?? [])]);

  it('have examples that parse, and a way to run', () => {
    for (const verb of every(VERBS).filter((candidate) => !candidate.hidden && (candidate.load || !candidate.verbs))) {
      expect(verb.load, verb.name).toBeTypeOf('function');
      expect(verb.examples.length, verb.name).toBeGreaterThan(0);
      for (const [example] of verb.examples) {
        const words =
          /devctl ([^|)]+)/
            .exec(example)?.[1]
            ?.trim()
            .replace(/"[^"]*"/g, 'text')
            .split(/\s+/) ?? [];
        const found = findVerb(VERBS, words);
        expect(found.verb.name).toBe(verb.name);
        expect(() => parseCall(found.verb, found.words, {}), example).not.toThrow();
      }
    }
  });

  it('of a group that does something itself leave it every other word', () => {
    const found = (...words: string[]) => findVerb(VERBS, words);
    expect(found('snapshot', 'shop')).toMatchObject({ verb: { name: 'snapshot' }, words: ['shop'] });
    expect(found('snapshot', '--note', 'x')).toMatchObject({ verb: { name: 'snapshot' } });
    expect(found('snapshot', 'rm', 'shop', 'snap_1')).toMatchObject({ verb: { name: 'snapshot rm' }, words: ['shop', 'snap_1'] });
    expect(found('snapshot', 'delete', 'snap_1')).toMatchObject({ verb: { name: 'snapshot rm' }, words: ['snap_1'] });
    expect(found('snapshot', 'create', 'rm')).toMatchObject({ verb: { name: 'snapshot create' }, words: ['rm'] });
    expect(found('workspace', 'rm', 'a', 'b')).toMatchObject({ verb: { name: 'workspace delete' }, words: ['a', 'b'] });
    expect(() => found('workspace', 'drop')).toThrow('there is no verb "drop"');
  });

  it('have no two names or flags alike', () => {
    for (const verbs of [VERBS, ...every(VERBS).map((verb) => verb.verbs ?? [])]) {
      const names = verbs.flatMap((verb) => [verb.name.split(' ').at(-1), ...(verb.alias ?? [])]);
      expect(new Set(names).size, String(names)).toBe(names.length);
    }
  });

  it('have no two flags of one name', () => {
    for (const verb of every(VERBS)) {
      const longs = (verb.flags ?? []).map((key) => FLAGS[key].long);
      expect(new Set(longs).size, verb.name).toBe(longs.length);
    }
  });
});

describe('nearest', () => {
  it('forgives a slip, and does not guess wildly', () => {
    expect(nearest('stauts', ['status', 'snapshots'])).toBe('status');
    expect(nearest('lss', ['ls', 'logs'])).toBe('ls');
    expect(nearest('kubernetes', ['ls', 'logs'])).toBeNull();
    expect(nearest('', ['ls'])).toBeNull();
  });
});
