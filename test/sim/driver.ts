import type { VirtualClock } from './clock.ts';

/** A port whose calls make virtual time go by until all of them that are under way have answered. */
export function driven<T extends object>(port: T, clock: VirtualClock): T {
  const pending = new Set<Promise<unknown>>();
  let driving: Promise<void> | null = null;
  const drive = async (): Promise<void> => {
    await clock.until(() => pending.size === 0);
    driving = null;
  };
  const call = async (work: Promise<unknown>): Promise<unknown> => {
    pending.add(work);
    const settled = () => void pending.delete(work);
    work.then(settled, settled);
    while (pending.has(work)) {
      driving ??= drive();
      await driving;
    }
    return work;
  };
  return new Proxy(port, {
    get: (target, property) => {
      const value: unknown = Reflect.get(target, property);
      if (typeof value !== 'function') return value;
      return (...args: unknown[]) => call(Promise.resolve(value.apply(target, args)));
    },
  });
}
