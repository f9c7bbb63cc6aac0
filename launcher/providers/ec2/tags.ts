import { createHash } from 'node:crypto';
import type { Tag } from '@aws-sdk/client-ec2';
import * as z from 'zod';
import {
  ownerSchema,
  policySchema,
  poolBoxIdSchema,
  type Size,
  sessionIdSchema,
  sizeSchema,
  workspaceIdSchema,
  workspaceNameSchema,
} from '../../contract/fields.ts';
import { type SnapshotRef, snapshotRefSchema } from '../../contract/records.ts';
import { type BoxWish, ComputeError, type LaunchRequest, type ResourceTags } from '../../ports/compute.ts';

/** Names of the tags that every resource carries from its creation on. */
export const TAGS = {
  deployment: 'devctl:deployment',
  owner: 'devctl:owner',
  ownerHash: 'devctl:owner-hash',
  workspace: 'devctl:workspace',
  workspaceId: 'devctl:workspace-id',
  session: 'devctl:session',
  generation: 'devctl:generation',
  operation: 'devctl:operation',
  /** `ws_…/snap_N` */
  snapshot: 'devctl:snapshot',
  /** The snapshot before it, in the same form. */
  parent: 'devctl:parent',
  size: 'devctl:size',
  /** Of a snapshot: the volumes that were copied at its moment. */
  copies: 'devctl:copies',
  policy: 'devctl:policy',
  network: 'devctl:network',
  persistent: 'devctl:persistent',
  /** Of a box of the pool: the id of its record. It stays when a session has taken the box: then there are tags of a session, too. */
  pool: 'devctl:pool',
  image: 'devctl:image',
} as const;

const VALUE_CHARS = 256;

/** On everything, for whoever sweeps the account. */
const common = (deployment: string, ttl: string) => ({ env: 'dev', owner: 'ai', ttl, [TAGS.deployment]: deployment });

const tagsSchema = z.object({
  owner: ownerSchema,
  workspace: workspaceNameSchema,
  workspaceId: workspaceIdSchema,
  sessionId: sessionIdSchema.nullable(),
  generation: z.int().min(1).nullable(),
  operationId: z.string().min(1).max(VALUE_CHARS),
});

/** What cost reports and policies may group by without knowing who it is; it also shows that the owner was not changed by hand. */
const hashOf = (deployment: string, owner: string): string =>
  createHash('sha256').update(`${deployment} ${owner}`).digest('hex').slice(0, 16);

export interface TagOptions {
  deployment: string;
  /** How long a thing of this kind may live, for whoever sweeps the account: `24h`, `keep`. */
  ttl: string;
  ref?: SnapshotRef;
  parent?: SnapshotRef | null;
  /** Of a box: what its session asked for. */
  wish?: Pick<LaunchRequest, 'size' | 'policy' | 'network' | 'persistent'>;
  copies?: readonly string[];
}

/** @throws ComputeError fatal for what no tag can carry */
export function tagList(tags: ResourceTags, { deployment, ttl, ref, parent = null, wish, copies = [] }: TagOptions): Tag[] {
  const values: Record<string, string | null> = {
    ...common(deployment, ttl),
    [TAGS.owner]: tags.owner,
    [TAGS.ownerHash]: hashOf(deployment, tags.owner),
    [TAGS.workspace]: tags.workspace,
    [TAGS.workspaceId]: tags.workspaceId,
    [TAGS.session]: tags.sessionId,
    [TAGS.generation]: tags.generation === null ? null : String(tags.generation),
    [TAGS.operation]: tags.operationId,
    [TAGS.snapshot]: ref === undefined ? null : refText(ref),
    [TAGS.parent]: parent === null ? null : refText(parent),
    [TAGS.size]: wish?.size ?? null,
    [TAGS.policy]: wish?.policy ?? null,
    [TAGS.network]: wish === undefined ? null : String(wish.network),
    [TAGS.persistent]: wish === undefined ? null : String(wish.persistent),
    [TAGS.copies]: copies.length === 0 ? null : copies.join(' '),
  };
  return Object.entries(values).flatMap(([Key, Value]) => {
    if (Value === null) return [];
    if (Value.length > VALUE_CHARS) throw new ComputeError('fatal', `tag ${Key} has ${Value.length} characters, AWS takes ${VALUE_CHARS}`);
    return [{ Key, Value }];
  });
}

export const tagOf = (list: Tag[] | undefined, key: string): string | undefined => list?.find(({ Key }) => Key === key)?.Value;

/** Tags of a box of the pool, and of its root volume. */
export const poolTagList = (deployment: string, { id, size, image }: { id: string; size: Size; image: string }): Tag[] =>
  Object.entries({ ...common(deployment, 'keep'), [TAGS.pool]: id, [TAGS.size]: size, [TAGS.image]: image }).map(([Key, Value]) => ({
    Key,
    Value,
  }));

/** The id of a box that is the pool's; null once a session has taken it, and for every other one. */
export function readPoolId(list: Tag[] | undefined, deployment: string): string | null {
  const isPools = tagOf(list, TAGS.deployment) === deployment && tagOf(list, TAGS.session) === undefined;
  return isPools ? (poolBoxIdSchema.safeParse(tagOf(list, TAGS.pool)).data ?? null) : null;
}

/** Whose it is; null when the tags are not whole, were changed by hand, or are another deployment's. */
export function readTags(list: Tag[] | undefined, deployment: string): ResourceTags | null {
  const value = (key: string) => tagOf(list, key) ?? null;
  const generation = value(TAGS.generation);
  const parsed = tagsSchema.safeParse({
    owner: value(TAGS.owner),
    workspace: value(TAGS.workspace),
    workspaceId: value(TAGS.workspaceId),
    sessionId: value(TAGS.session),
    generation: generation === null ? null : Number(generation),
    operationId: value(TAGS.operation),
  });
  const isOurs = value(TAGS.deployment) === deployment;
  if (!parsed.success || !isOurs || value(TAGS.ownerHash) !== hashOf(deployment, parsed.data.owner)) return null;
  return parsed.data;
}

export const refText = ({ workspaceId, id }: SnapshotRef): string => `${workspaceId}/${id}`;

export function readRef(list: Tag[] | undefined, key: string = TAGS.snapshot): SnapshotRef | null {
  const [workspaceId, id] = (tagOf(list, key) ?? '').split('/');
  return snapshotRefSchema.safeParse({ workspaceId, id }).data ?? null;
}

export const readSize = (list: Tag[] | undefined): Size | null => sizeSchema.safeParse(tagOf(list, TAGS.size)).data ?? null;

const FLAGS: ReadonlyMap<string | undefined, boolean> = new Map([
  ['true', true],
  ['false', false],
]);

/** What is in none of the tags, as on boxes of earlier versions, or was changed by hand, is left out. */
export function readWish(list: Tag[] | undefined): BoxWish {
  const policy = policySchema.safeParse(tagOf(list, TAGS.policy)).data;
  const network = FLAGS.get(tagOf(list, TAGS.network));
  const persistent = FLAGS.get(tagOf(list, TAGS.persistent));
  return { ...(policy && { policy }), ...(network !== undefined && { network }), ...(persistent !== undefined && { persistent }) };
}
