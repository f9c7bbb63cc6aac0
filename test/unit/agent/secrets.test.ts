import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { HeardLink } from '../../../agent-bootstrap/heard-link.ts';
import type { MachineRole } from '../../../agent-bootstrap/ports.ts';
import { SecretMask } from '../../../agent-bootstrap/secret-mask.ts';
import { Secrets } from '../../../agent-bootstrap/secrets.ts';
import type { Orders } from '../../../launcher/contract/box.ts';

const TMPFS = 0x01021994;
const MEMORY = '/dev/shm';
const SES = `ses_${'0'.repeat(25)}1`;
const ARN = 'arn:aws:secretsmanager:eu-central-1:123456789012:secret:npm-a1B2c3';
const secrets = ['A', 'B'].map((name) => ({ name, valueFrom: ARN }));
const orders = (patch: Partial<Orders>): Orders => ({
  state: 'work',
  clone: null,
  runSetup: false,
  heartbeatMs: 1000,
  notice: null,
  hardLimitInMs: 0,
  ...patch,
});

const hasMemory = existsSync(MEMORY) && statfsSync(MEMORY).type === TMPFS;

describe.skipIf(!hasMemory)('secrets in the agent (needs /dev/shm)', () => {
  let run: string;
  const mask = new SecretMask();
  const calls: string[] = [];
  const role: MachineRole = {
    readSecret: async (name) => {
      calls.push(`read ${name}`);
      return Buffer.from(`value-of-${name}`);
    },
    lend: async () => ({ LENT: 'yes' }),
    recall: () => void calls.push('recall'),
  };

  beforeEach(() => {
    run = mkdtempSync(join(MEMORY, 'devctl-secrets-'));
    mkdirSync(join(run, 'agent'));
    calls.length = 0;
  });
  afterEach(() => rmSync(run, { recursive: true }));

  const agentOf = (generation: number, said: Orders | null, has: MachineRole | null = role) =>
    new Secrets({ config: { paths: { workspace: '', run }, sessionId: SES, generation }, role: has, orders: () => said, mask });
  const left = () => readdirSync(join(run, 'secrets')).sort();

  it('are read once for each command, however it wants them', async () => {
    const agent = agentOf(1, orders({ secrets, awsCredentials: true }));
    expect(await agent.forCommand({ secrets: ['A', 'A'], secretFiles: ['A', 'B'] })).toEqual({
      lent: { LENT: 'yes' },
      secret: { A: 'value-of-A', A_FILE: join(run, 'secrets', 'A'), B_FILE: join(run, 'secrets', 'B') },
    });
    expect(calls).toEqual(['read A', 'read B']);
    expect(await agent.forCommand({})).toEqual({ lent: { LENT: 'yes' }, secret: {} });
    agent.clear();
    expect(left()).toEqual([]);
  });

  it('stay for the next agent of the same generation, and for no other', async () => {
    await agentOf(1, orders({ secrets })).forCommand({ secretFiles: ['A'] });
    agentOf(1, null);
    expect(left()).toEqual(['A']);
    agentOf(2, null);
    expect(left()).toEqual([]);
  });

  it('are refused by name where the launcher has named none, and where the machine has no role', async () => {
    await expect(agentOf(1, null).forCommand({ secrets: ['A'] })).rejects.toMatchObject({
      code: 'not_found',
      detail: expect.stringContaining('it has none'),
    });
    await expect(agentOf(1, orders({ secrets })).forCommand({ secrets: ['C'] })).rejects.toMatchObject({
      detail: expect.stringContaining('it has A, B'),
    });
    await expect(agentOf(1, orders({ secrets }), null).forCommand({ secrets: ['A'] })).rejects.toMatchObject({ code: 'unsupported' });
    expect(calls).toEqual([]);
  });

  it('go to the launcher in no word of the box', async () => {
    mask.learn(Buffer.from('value-of-A'));
    const sent: unknown[] = [];
    const link = {
      post: async (_path: string, body: unknown) => {
        sent.push(body);
        return orders({});
      },
      disk: () => Promise.reject(new Error('nobody asks for it')),
    };
    const heard = new HeardLink(link, mask, role);
    const beat = { state: 'preparing', evidence: [{ kind: 'command', agoMs: 0, detail: 'ran value-of-A' }] };
    await heard.link.post('/boxes/heartbeat', {
      ...beat,
      progress: 'got value-of-A',
      failure: { code: 'setup_failed', detail: 'value-of-A' },
    });
    expect(sent).toEqual([
      {
        state: 'preparing',
        evidence: [{ kind: 'command', agoMs: 0, detail: 'ran [redacted]' }],
        progress: 'got [redacted]',
        failure: { code: 'setup_failed', detail: '[redacted]' },
      },
    ]);
    expect([heard.orders, calls]).toEqual([orders({}), ['recall']]);
  });
});
