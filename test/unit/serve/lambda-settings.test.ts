import { describe, expect, it } from 'vitest';
import { type LambdaSettingsInput, readLambdaSettings } from '../../../launcher/serve/lambda-settings.ts';

const LEAST: LambdaSettingsInput = {
  deployment: 'devctl',
  region: 'eu-central-1',
  table: 'devctl',
  subnets: [{ id: 'subnet-0123456789abcdef0', az: 'eu-central-1a' }],
  launchTemplates: { x86_64: 'devctl-x86_64' },
  imageParameters: { x86_64: '/devctl/image/x86_64' },
  masterSecret: 'arn:aws:secretsmanager:eu-central-1:123456789012:secret:devctl/launcher-AbCdEf',
  eventsFunction: 'devctl-events',
  boxRole: 'devctl-box',
  adminRole: 'devctl-admin',
  volumeGiB: 64,
  ttl: '72h',
};
const read = (patch: object = {}, env: Record<string, string> = {}) =>
  readLambdaSettings({ AWS_REGION: 'eu-central-1', DEVCTL_SETTINGS: JSON.stringify({ ...LEAST, ...patch }), ...env });

describe('the settings of the launcher in Lambda', () => {
  it('have no budget and no pool unless they are told', () => {
    expect(read()).toEqual({
      ...LEAST,
      budgets: { ownerMicroUsd: null, deploymentMicroUsd: null },
      pool: { base: 0, windows: [], boxSize: 'medium' },
    });
    const { pool, budgets } = read({
      pool: { base: 1, windows: ['mon-fri 08:00-19:00 Europe/Berlin=3'] },
      budgets: { ownerMicroUsd: 5_000_000 },
    });
    expect(pool.windows[0]).toMatchObject({ size: 3, text: 'mon-fri 08:00-19:00 Europe/Berlin=3' });
    expect(budgets).toEqual({ ownerMicroUsd: 5_000_000, deploymentMicroUsd: null });
  });

  it.each([
    ['deployment', { deployment: 'Team A' }],
    ['subnets', { subnets: [] }],
    ['subnets.0.az', { subnets: [{ id: 'subnet-0123456789abcdef0' }] }],
    ['launchTemplates', { launchTemplates: {}, imageParameters: {} }],
    ['imageParameters.arm64', { launchTemplates: { ...LEAST.launchTemplates, arm64: 'devctl-arm64' } }],
    ['imageParameters.arm64', { imageParameters: { ...LEAST.imageParameters, arm64: '/devctl/image/arm64' } }],
    ['masterSecret', { masterSecret: 'devctl/launcher' }],
    ['boxRole', { boxRole: 'path/devctl-box' }],
    ['ttl', { ttl: 'forever' }],
    ['pool.windows.0', { pool: { windows: ['always'] } }],
    ['images', { images: {} }],
  ])('are refused with the field %s', (field, patch) => {
    expect(() => read(patch)).toThrow(new RegExp(`^DEVCTL_SETTINGS: (.*; )?${field} `));
  });

  it('are one variable, and are JSON', () => {
    expect(() => readLambdaSettings({})).toThrow('DEVCTL_SETTINGS is not JSON');
    expect(() => readLambdaSettings({ DEVCTL_SETTINGS: '{' })).toThrow('DEVCTL_SETTINGS is not JSON');
    expect(() => read({}, { DEVCTL_TABLE: 'x' })).toThrow('DEVCTL_TABLE is not known here');
  });
});
