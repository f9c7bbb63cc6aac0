import type { PoolBoxRecord } from '../contract/records.ts';
import type { StorePort } from '../ports/store.ts';
import { everyPage } from './pages.ts';

/** Every box of the pool, the oldest first. What cannot be read is left alone. */
export const allPoolBoxes = async (store: StorePort): Promise<PoolBoxRecord[]> =>
  (await everyPage((page) => store.listPoolBoxes(page))).items;
