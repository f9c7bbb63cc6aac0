import type { SnapshotRecord, StorageCharge, WorkspaceRecord } from '../contract/records.ts';
import { monthOf, storageEntry, storageLevel } from '../core/cost.ts';
import { everyPage } from '../ledger/pages.ts';
import type { ControllerDeps } from './deps.ts';

/** A workspace with all of its snapshots. */
export interface Kept {
  workspace: WorkspaceRecord;
  snapshots: SnapshotRecord[];
}

/**
 * Brings the month's entries of an owner's storage up to what is there. Most passes write nothing: an entry is written when a
 * month begins, and when what a workspace keeps has changed since the last pass.
 * @param kept every workspace of the owner: an entry of one that is not among them counts no further
 */
export async function meterStorage(deps: ControllerDeps, owner: string, kept: readonly Kept[]): Promise<void> {
  const prices = deps.compute.storagePrices;
  if (prices === null) return;
  const nowMs = deps.clock.now();
  const of = { month: monthOf(nowMs), kind: 'storage' as const };
  const { items, complete, unreadable } = await everyPage((page) => deps.store.listCharges(owner, of, page));
  if (!complete || unreadable.length > 0) return;
  const known = new Map(items.flatMap((charge) => (charge.kind === 'storage' ? [[charge.workspaceId, charge] as const] : [])));
  const put = async (charge: StorageCharge | null): Promise<void> => {
    if (charge !== null) await deps.store.putCharge(charge);
  };
  for (const { workspace, snapshots } of kept) {
    await put(storageEntry(known.get(workspace.id) ?? null, workspace, storageLevel(workspace, snapshots), prices, nowMs));
    known.delete(workspace.id);
  }
  for (const left of known.values()) {
    const gone = { owner, name: left.workspace, id: left.workspaceId, createdAt: nowMs };
    await put(storageEntry(left, gone, storageLevel(null, []), prices, nowMs));
  }
}
