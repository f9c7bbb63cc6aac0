import { describe, expect, it } from 'vitest';
import { ordersSchema } from '../../../launcher/contract/box.ts';
import { PHASE_NAMES } from '../../../launcher/contract/phases.ts';
import { leaseEndMs } from '../../../launcher/core/lease.ts';
import { LIMITS } from '../../../launcher/core/limits.ts';
import { isPrepared, ordersFor } from '../../../launcher/core/orders.ts';
import { HOUR_MS, lease, MINUTE_MS, NOW, ready, session, workspace } from './samples.ts';

const git = { source: { kind: 'git' as const, url: 'https://example.org/x', ref: 'main' } };

describe('orders', () => {
  it('are to work, to hold or to end, by phase', () => {
    const states = PHASE_NAMES.map((phase) => [phase, ordersFor(session({ phase }), workspace(), NOW, LIMITS).state]);
    expect(Object.fromEntries(states)).toEqual({
      requested: 'work',
      launching: 'work',
      bootstrapping: 'work',
      ready: 'work',
      quiescing: 'hold',
      parking: 'hold',
      parked: 'hold',
      rescuing: 'end',
      ending: 'end',
      saving: 'end',
      stopped: 'end',
      failed: 'end',
    });
    for (const phase of PHASE_NAMES) ordersSchema.parse(ordersFor(session({ phase }), workspace(), NOW, LIMITS));
  });

  it('name the source while the workspace is empty and the session is wanted', () => {
    const clone = (record = ready(), ws: ReturnType<typeof workspace> | null = workspace(git)) => ordersFor(record, ws, NOW, LIMITS).clone;
    expect(clone()).toEqual({ url: 'https://example.org/x', ref: 'main' });
    expect(clone(ready(), workspace({ source: { kind: 'git', url: 'https://example.org/x' } }))).toEqual({ url: 'https://example.org/x' });
    expect(clone(ready(), workspace({ ...git, content: 'present' }))).toBeNull();
    expect(clone(ready(), workspace())).toBeNull();
    expect(clone(ready({ desired: 'stopped' }))).toBeNull();
    expect(clone(session({ phase: 'quiescing' }))).toBeNull();
    expect(clone(ready(), null)).toBeNull();
  });

  it('allow the setup script only where its owner did', () => {
    expect(ordersFor(ready(), workspace({ setupAllowed: true }), NOW, LIMITS).runSetup).toBe(true);
    expect(ordersFor(ready(), workspace(), NOW, LIMITS).runSetup).toBe(false);
    expect(isPrepared(workspace())).toBe(true);
    expect(isPrepared(workspace(git))).toBe(false);
    expect(isPrepared(workspace({ setupAllowed: true }))).toBe(true);
    expect(isPrepared(workspace({ setupAllowed: true, content: 'present' }))).toBe(false);
  });

  it('keep a box that is taken away until its disk is saved, and say so in its terminals', () => {
    const interruption = { endsAtMs: NOW, source: 'box' as const, save: true };
    const orders = (patch: Parameters<typeof session>[0]) =>
      ordersFor(session({ phase: 'rescuing', interruption, ...patch }), null, NOW, LIMITS);
    expect(orders({})).toMatchObject({ state: 'hold', notice: { id: 'away-1' } });
    expect(orders({ interruption: { ...interruption, save: false } }).state).toBe('end');
    expect(orders({ desired: 'stopped' }).state).toBe('end');
  });

  it('with no workspace are to wait for the end', () => {
    expect(ordersFor(ready(), null, NOW, LIMITS).state).toBe('hold');
    expect(ordersFor(session({ phase: 'ending' }), null, NOW, LIMITS).state).toBe('end');
  });

  it('warn of the end that was warned of, and of no other', () => {
    const endMs = leaseEndMs(lease());
    const warned = ready({ lease: lease({ warnedForMs: endMs }) });
    expect(ordersFor(warned, workspace(), endMs - 4 * MINUTE_MS, LIMITS).notice).toEqual({
      id: `warn-${endMs}`,
      text: 'devctl: this box stops in 4m (idle 30m after the last evidence); any work keeps it; so does devctl hold',
    });
    const kept = ordersFor({ ...warned, persistent: true }, workspace(), endMs - 4 * MINUTE_MS, LIMITS);
    expect(kept.notice?.text).toContain('devctl: this box is parked in 4m');
    expect(ordersFor(ready({ lease: lease({ warnedForMs: endMs - 1 }) }), workspace(), NOW, LIMITS).notice).toBeNull();
    const hard = lease({ idleDeadlineMs: NOW + 99 * HOUR_MS, warnedForMs: NOW + 12 * HOUR_MS });
    expect(ordersFor(ready({ lease: hard }), workspace(), NOW, LIMITS).notice?.text).toContain('hard limit of 12h); your files are saved');
  });

  it('name the secrets of a session that is worked in, by reference', () => {
    const secrets = [{ name: 'NPM_TOKEN', valueFrom: 'arn:aws:secretsmanager:eu-central-1:123456789012:secret:npm-a1B2c3' }];
    const given = (patch: Parameters<typeof ready>[0]) => ordersFor(ready(patch), workspace(), NOW, LIMITS);
    expect(given({ secrets, awsCredentials: true })).toMatchObject({ secrets, awsCredentials: true });
    for (const none of [given({}), given({ secrets, awsCredentials: true, phase: 'quiescing' })]) {
      expect(none).not.toHaveProperty('secrets');
      expect(none).not.toHaveProperty('awsCredentials');
    }
  });

  it('name the hosts that the workload may reach in every phase, and nothing where it may reach all', () => {
    const given = (patch: Parameters<typeof ready>[0]) => ordersFor(ready(patch), workspace(), NOW, LIMITS);
    for (const phase of ['ready', 'quiescing'] as const)
      expect(given({ phase, egress: ['packages.example.org'] })).toMatchObject({ egress: ['packages.example.org'] });
    expect(given({ egress: [] })).toMatchObject({ egress: [] });
    expect(given({ egress: null })).not.toHaveProperty('egress');
  });

  it('say why it stops', () => {
    const text = (endReason: string | null) =>
      ordersFor(ready({ desired: 'stopped', endReason }), workspace(), NOW, LIMITS).notice?.text.replace(/.*: /, '');
    expect(['user', 'idle', 'hold', 'hard_limit', 'failed', null].map(text)).toEqual([
      'its owner asked for it',
      'it was idle',
      'its hold is over',
      'its hard limit is reached',
      'it cannot go on',
      'it cannot go on',
    ]);
    expect(ordersFor(session({ phase: 'stopped', desired: 'stopped' }), workspace(), NOW, LIMITS).notice).toBeNull();
  });

  it('give the box a last moment of its own, past the hard limit', () => {
    const limitAt = (nowMs: number) => ordersFor(ready(), workspace(), nowMs, LIMITS).hardLimitInMs;
    expect(limitAt(NOW)).toBe(12 * HOUR_MS + LIMITS.hardGraceMs);
    expect(limitAt(NOW + 13 * HOUR_MS)).toBe(0);
  });
});
