import type { Check } from '../contract/api.ts';
import { formatBytes } from '../contract/units.ts';
import type { Provider } from '../ports/provider.ts';
import type { StorePort } from '../ports/store.ts';
import { freeBytes, type Home } from './home.ts';

const LOW_SPACE_BYTES = 5 * 1024 ** 3;

/** What `doctor` shows of the launcher's side. */
export async function launcherChecks(provider: Provider, home: Home, store: StorePort): Promise<Check[]> {
  return [await tableCheck(store), spaceCheck(home), ...(await provider.doctorChecks())];
}

async function tableCheck(store: StorePort): Promise<Check> {
  const name = 'table';
  try {
    await store.ping();
    return { name, ok: true, level: 'ok', detail: 'the embedded table answers', fix: null };
  } catch (error) {
    return { name, ok: false, level: 'error', detail: String(error), fix: 'start the launcher again: devctl serve --stop, then devctl up' };
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
