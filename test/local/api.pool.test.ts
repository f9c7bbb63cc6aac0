import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Pool } from '../../launcher/contract/pool.ts';
import { newPoolBox } from '../../launcher/core/pool.ts';
import type { PoolPort } from '../../launcher/ports/compute.ts';
import { ApiBench } from '../support/api-bench.ts';
import { type Database, openDatabase } from '../support/table.ts';

const KIND = { size: 'medium' as const, arch: 'x86_64' as const, image: 'ami-1 lt-1' };

describe('GET /pool', () => {
  let database: Database;
  let bench: ApiBench;
  let reader: string;
  beforeAll(async () => {
    database = await openDatabase();
    bench = await ApiBench.open(database);
    reader = await bench.token('dev', ['read']);
  });
  afterAll(async () => {
    await bench.close();
    await database.close();
  });

  const pool = async () => (await bench.ask<Pool>('GET', '/pool', { token: reader })).body;

  it('says that there is none where the provider has none', async () => {
    expect(await pool()).toEqual({
      supported: false,
      wanted: 0,
      base: 0,
      schedule: [],
      boxSize: 'medium',
      boxes: [],
      usdPerMonth: 0,
      wantedUsdPerMonth: 0,
    });
    expect((await bench.ask('GET', '/pool', { token: null })).status).toBe(401);
  });

  it('shows the boxes and what they cost a month to whoever may read, and of nobody else what he has', async () => {
    const port = { kind: async () => KIND, microUsdPerMonth: 960_000 } as unknown as PoolPort;
    bench.deps.pool = { plan: { boxSize: 'medium', base: 3, windows: [] }, port };
    const nowMs = Date.now();
    const claim = { owner: 'eve', sessionId: `ses_${'0'.repeat(26)}`, generation: 1, operationId: 'op' };
    const record = (n: number) => newPoolBox(`pool_${'0'.repeat(25)}${n}`, KIND, nowMs, bench.deps.limits);
    await bench.store.createPoolBox({ ...record(1), phase: 'ready', boxId: 'i-1', place: 'us-east-1a' });
    await bench.store.createPoolBox({ ...record(2), phase: 'claimed', boxId: 'i-2', claim });
    const shown = await pool();
    expect(shown).toMatchObject({ supported: true, wanted: 3, usdPerMonth: 0.96, wantedUsdPerMonth: 2.88 });
    expect(shown.boxes.map(({ box, state, place }) => [box, state, place])).toEqual([
      ['i-1', 'ready', 'us-east-1a'],
      ['i-2', 'claimed', null],
    ]);
    expect(JSON.stringify(shown)).not.toMatch(/eve|ses_/);
  });
});
