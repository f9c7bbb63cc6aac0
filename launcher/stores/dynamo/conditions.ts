/**
 * Every condition under which the store writes. Each is judged by the table for one row, at once with the write.
 * Names that begin with `:` are values; the rest are attributes.
 */

/** No row has this key. */
export const IS_NEW = 'attribute_not_exists(pk)';

/** Nobody has the turn, or the one who had it has not ended it in time. */
export const IS_FREE = 'attribute_not_exists(pk) OR untilMs <= :nowMs';

/** It is this one's turn. */
export const IS_MINE = 'holder = :holder';

/** A row has this key: an update must not make one. */
export const IS_THERE = 'attribute_exists(pk)';

/** Nobody has written the record since it was read. */
export const VERSION_UNCHANGED = 'version = :version';

/** As above, and it is the same workspace: a name may be given again, and versions then begin anew. */
export const SAME_WORKSPACE_VERSION = 'version = :version AND workspaceUid = :workspaceUid';

/** The snapshot is there and nobody is deleting it. */
export const NOT_TOMBSTONED = 'attribute_exists(pk) AND snapshotState <> :deleting';

/** Its outcome is open, or is this very one: what is completed never fails later, and the other way round. */
export const OUTCOME_FITS = 'snapshotState = :pending OR snapshotState = :outcome';

/** Only what is complete can become the head of a workspace. */
export const IS_COMPLETED = 'snapshotState = :completed';

/** No workspace has it as its head. An empty set is no attribute. */
export const IS_UNPINNED = 'attribute_exists(pk) AND attribute_not_exists(pins)';

export const IS_TOMBSTONED = 'snapshotState = :deleting';

/**
 * The id is in the set already, or there is room for one more and for its data; what is not there is empty. AND binds tighter
 * than OR, and no parenthesis is needed: dynalite's parser doubles its time with each level of them (16 ms against 1).
 */
const fits = (set: 'sessionSet' | 'workspaceSet'): string =>
  [
    `contains(${set}, :id)`,
    `attribute_not_exists(${set}) AND attribute_not_exists(bytesSum)`,
    `attribute_not_exists(${set}) AND bytesSum < :maxBytes`,
    `size(${set}) < :maxCount AND attribute_not_exists(bytesSum)`,
    `size(${set}) < :maxCount AND bytesSum < :maxBytes`,
  ].join(' OR ');

export const SESSION_FITS = fits('sessionSet');
export const WORKSPACE_FITS = fits('workspaceSet');

/** The bytes of this snapshot are not counted. */
export const SNAPSHOT_NOT_COUNTED = 'attribute_not_exists(snapshotSet) OR NOT contains(snapshotSet, :id)';

/** The bytes of this snapshot are counted. */
export const SNAPSHOT_COUNTED = 'contains(snapshotSet, :id)';

/** The key was never used, or its keep time is over. */
export const NEW_OR_EXPIRED = 'attribute_not_exists(pk) OR expiresAtMs <= :nowMs';

/** The row still is the one that was found unreadable. */
export const WRITE_UNCHANGED = 'writeId = :writeId';

/** No entry is there, or one that counts until an earlier time. */
export const KNOWS_LESS = 'attribute_not_exists(pk) OR chargedUntilMs <= :until';

/** Less than the budget is committed, and this session is not counted yet. */
export const BUDGET_FITS =
  'committedMicroUsd < :budget AND attribute_not_exists(admitted) OR committedMicroUsd < :budget AND NOT contains(admitted, :entry)';

/** This session is counted against the budget. */
export const IS_ADMITTED = 'contains(admitted, :entry)';
