import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { DevctlError } from '../../../launcher/contract/errors.ts';
import { parseServeArgs } from '../../../launcher/serve/config.ts';
import { readEc2Settings } from '../../../launcher/serve/ec2-settings.ts';

const EXAMPLE = new URL('../../../docs/ec2.example.json', import.meta.url).pathname;

describe('what a launcher is told of an account', () => {
  const dir = mkdtempSync(join(tmpdir(), 'settings-'));
  afterAll(() => rmSync(dir, { recursive: true }));

  const read = (text: string) => {
    const path = join(dir, 'ec2.json');
    writeFileSync(path, text);
    return readEc2Settings(path);
  };
  const example = JSON.parse(readFileSync(EXAMPLE, 'utf8')) as Record<string, unknown>;
  const refusal = (patch: Record<string, unknown>): DevctlError => {
    try {
      read(JSON.stringify({ ...example, ...patch }));
    } catch (error) {
      if (error instanceof DevctlError) return error;
      throw error;
    }
    throw new Error('it was taken');
  };

  it('the example of the docs is whole', () => {
    expect(readEc2Settings(EXAMPLE)).toEqual(example);
  });

  it('what need not be said has a default', () => {
    const { deployment: _, table: __, boxListen: ___, volumeGiB: ____, ttl: _____, ...least } = example;
    expect(read(JSON.stringify(least))).toMatchObject({
      deployment: 'devctl',
      table: 'devctl',
      boxListen: '127.0.0.1:7443',
      volumeGiB: 64,
      ttl: '72h',
    });
  });

  it.each([
    ['region', 'frankfurt'],
    ['images', {}],
    ['images', { x86_64: 'ubuntu' }],
    ['subnets', []],
    ['subnets', ['vpc-1']],
    ['securityGroups', ['default']],
    ['instanceProfileArn', 'devctl-box'],
    ['launcherUrl', 'http://boxes.example.com'],
    ['launcherUrl', 'ftp://boxes.example.com'],
    ['launcherUrl', 'https://me:password@boxes.example.com'],
    ['launcherUrl', 'https://boxes.example.com/devctl'],
    ['launcherUrl', 'https://boxes.example.com?key=1'],
    ['launcherUrl', 'http://localhost:pw@boxes.example.com'],
    ['identityIssuer', 'tokens'],
    ['identityIssuer', 'https://tokens.example.com?a=b'],
    ['boxListen', '127.0.0.1:99999'],
    ['boxListen', '127.0.0.1:0'],
    ['boxListen', '7443'],
    ['volumeGiB', 0],
    ['ttl', 'forever'],
    ['volumeInitializationRate', 50],
    ['bootstrapTimeout', '1s'],
    ['bootstrapTimeout', 120],
    ['hardLimitGrace', '2h'],
    ['colour', 'blue'],
  ])('refuses %s %j, and names the field', (field, value) => {
    const { code, detail, extra } = refusal({ [field]: value });
    expect(code).toBe('invalid_request');
    expect(detail).toContain('ec2.json');
    expect(extra.issues?.[0]?.field).toContain(field);
  });

  it('bounds that an account has of its own are times', () => {
    const own = { bootstrapTimeout: '5m', hardLimitGrace: '30s' };
    expect(read(JSON.stringify({ ...example, ...own }))).toMatchObject({ bootstrapTimeout: 300_000, hardLimitGrace: 30_000 });
  });

  it('a launcher on this machine may be spoken to without https', () => {
    expect(read(JSON.stringify({ ...example, launcherUrl: 'http://127.0.0.1:7443' })).launcherUrl).toBe('http://127.0.0.1:7443');
  });

  it('a file that is not there, or not JSON, is named', () => {
    expect(() => readEc2Settings(join(dir, 'none.json'))).toThrow(/none\.json cannot be read/);
    expect(() => read('{')).toThrow(/ec2\.json is not JSON/);
  });

  it('boxes in an account need the file', () => {
    expect(() => parseServeArgs(['serve', '--home', dir, '--provider', 'ec2'], {})).toThrow(/needs --config FILE/);
    expect(parseServeArgs(['serve', '--home', dir, '--provider', 'ec2', '--config', EXAMPLE], {}).ec2?.region).toBe('eu-central-1');
    expect(() => parseServeArgs(['serve', '--home', dir, '--provider', 'ec3'], {})).toThrow(/ec3/);
  });
});
