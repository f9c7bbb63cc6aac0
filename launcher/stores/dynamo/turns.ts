import type { StorePort } from '../../ports/store.ts';
import { IS_FREE, IS_MINE } from './conditions.ts';
import type { Connection } from './connection.ts';
import { turnKey } from './keys.ts';
import { number, text } from './rows.ts';

type TurnMethods = Pick<StorePort, 'takeTurn' | 'hasTurn' | 'endTurn'>;

export function turnMethods(connection: Connection): TurnMethods {
  return {
    takeTurn(name, { holder, untilMs }, { nowMs, fromOthers }) {
      const row = { holder: text(holder), untilMs: number(untilMs), expirySec: number(Math.ceil(untilMs / 1000)) };
      const guard = { condition: IS_FREE, values: { ':nowMs': number(nowMs) } };
      return connection.put(turnKey(name), row, fromOthers ? undefined : guard);
    },
    hasTurn: async (name, holder) => (await connection.get(turnKey(name)))?.['holder']?.S === holder,
    async endTurn(name, holder) {
      await connection.remove(turnKey(name), { condition: IS_MINE, values: { ':holder': text(holder) } });
    },
  };
}
