import type { Check } from '../contract/api.ts';
import { bad, good } from '../contract/checks.ts';
import { formatBytes } from '../contract/units.ts';
import type { Provider } from '../ports/provider.ts';
import type { StorePort } from '../ports/store.ts';
import { freeBytes, type Home } from './home.ts';

const LOW_SPACE_BYTES = 5 * 1024 ** 3;

/** What `doctor` shows of the launcher's side. @param table the table, in the words of whatever it is kept in */
export async function launcherChecks(provider: Provider, home: Home, table: () => Promise<Check[]>): Promise<Check[]> {
  const [rows, boxes] = await Promise.all([table(), provider.doctorChecks()]);
  return [...rows, spaceCheck(home), ...boxes];
}

/** The table in the state folder. */
export async function embeddedTableCheck(store: StorePort): Promise<Check[]> {
  const name = 'table';
  try {
    await store.ping();
    return [good(name, 'the embedded table answers')];
  } catch (error) {
    return [bad(name, String(error), 'start the launcher again: devctl serve --stop, then devctl up')];
  }
}

function spaceCheck(home: Home): Check {
  const free = freeBytes(home.dir);
  const ok = free >= LOW_SPACE_BYTES;
  const detail = `${formatBytes(free)} free in ${home.dir}`;
  return {
    name: 'disk space',
    ok,
    level: ok ? 'ok' : 'warn',
    detail,
    fix: ok ? null : 'free some space, or prune: devctl workspace prune NAME',
  };
}
