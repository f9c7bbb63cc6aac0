import { eventSchema, type SessionEvent } from '../../contract/records.ts';
import type { SessionKey, StorePort } from '../../ports/store.ts';
import type { Connection } from './connection.ts';
import { eventsPk } from './keys.ts';
import { queryPage } from './lists.ts';
import { decodeAll, encode, type Row, rowKey, type Shape, text } from './rows.ts';

const shapeOf = (session: SessionKey): Shape<SessionEvent> => ({
  schema: eventSchema,
  columns: {},
  key: (event) => ({ pk: eventsPk(session), sk: event.id }),
});

/** Sorts before every event id. */
const BEFORE_ALL = '0';

async function listEvents(connection: Connection, session: SessionKey, afterId: string | null, limit: number): Promise<SessionEvent[]> {
  const pk = eventsPk(session);
  const events: SessionEvent[] = [];
  let after = afterId || BEFORE_ALL;
  let last: Row | null;
  do {
    const page = await queryPage(
      connection,
      {
        ConsistentRead: true,
        KeyConditionExpression: 'pk = :pk AND sk > :after',
        ExpressionAttributeValues: { ':pk': text(pk), ':after': text(after) },
      },
      limit - events.length,
    );
    const { items, unreadable } = decodeAll(shapeOf(session), page.rows);
    connection.reportUnreadable(unreadable);
    events.push(...items);
    last = page.last;
    if (last) after = rowKey(last).sk;
  } while (last && events.length < limit);
  return events;
}

export function eventMethods(connection: Connection): Pick<StorePort, 'putEvents' | 'listEvents'> {
  return {
    async putEvents(session, events) {
      const shape = shapeOf(session);
      await Promise.all(
        events.map((event) => connection.put(shape.key(event), { ...encode(shape, event), ...connection.expiry(event.atMs) })),
      );
    },

    listEvents: (session, afterId, limit) => listEvents(connection, session, afterId, limit),
  };
}
