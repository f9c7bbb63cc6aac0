import * as z from 'zod';
import { ownerSchema, sessionIdSchema, sizeSchema, workspaceIdSchema, workspaceNameSchema } from '../../contract/fields.ts';
import { snapshotRefSchema } from '../../contract/records.ts';

/** What is written beside every box, volume and snapshot. Loose: a newer version may have added fields. */
export const tagsSchema = z.object({
  owner: ownerSchema,
  workspace: workspaceNameSchema,
  workspaceId: workspaceIdSchema,
  sessionId: sessionIdSchema.nullable(),
  generation: z.int().nullable(),
  operationId: z.string(),
});

const count = z.number().min(0);

export const boxMetaSchema = z.looseObject({
  tags: tagsSchema.extend({ sessionId: sessionIdSchema, generation: z.int() }),
  volumeId: z.string(),
  size: sizeSchema,
  network: z.boolean(),
  isolation: z.enum(['bubblewrap', 'unshare', 'none']),
  description: z.string(),
  createdAtMs: count,
  /** Where the box is counted and bounded; removed when it is gone. */
  cgroups: z.array(z.string()),
});
export type BoxMeta = z.infer<typeof boxMetaSchema>;

export const volumeMetaSchema = z.looseObject({ tags: tagsSchema, createdAtMs: count, from: snapshotRefSchema.nullable() });
export type VolumeMeta = z.infer<typeof volumeMetaSchema>;

export const snapshotMetaSchema = z.looseObject({
  ref: snapshotRefSchema,
  tags: tagsSchema,
  parent: snapshotRefSchema.nullable(),
  createdAtMs: count,
  files: count,
  bytes: count,
  /** What the tree takes on disk, bytes. */
  diskBytes: count,
  newBytes: count.nullable(),
});
export type SnapshotMeta = z.infer<typeof snapshotMetaSchema>;
