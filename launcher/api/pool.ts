import { poolView } from '../core/pool-view.ts';
import { allPoolBoxes } from '../ledger/pool.ts';
import type { Call, Reply } from './operation.ts';

export async function pool({ deps }: Call<'pool'>): Promise<Reply<'pool'>> {
  const { plan, port } = deps.pool;
  const offer = port && { ...(await port.kind()), microUsdPerMonth: port.microUsdPerMonth };
  return { body: poolView(plan, offer, port === null ? [] : await allPoolBoxes(deps.store), deps.clock.now()) };
}
