import * as z from 'zod';
import { isoTimeSchema, ownerSchema, sessionIdSchema, workspaceIdSchema, workspaceNameSchema } from './fields.ts';
import { monthSchema } from './records.ts';

/** Dollars; whole micro-dollars are behind it. */
const usd = z.number().min(0).meta({ example: 1.92 });
const about = z.boolean().meta({ description: 'Some price in it is an estimate' });

export const costsQuerySchema = z.strictObject({
  month: monthSchema.optional().meta({ description: 'Default: the present one (UTC)' }),
  owners: z.enum(['me', 'all']).default('me').meta({ description: 'all needs the scope admin' }),
});

const boxHours = z.number().min(0);

const sessionCostSchema = z.object({
  id: sessionIdSchema,
  workspace: workspaceNameSchema,
  live: z.boolean(),
  boxHours,
  usd: usd.meta({ description: "Its boxes, and the time that they used the workspace's disk (which is among disksUsd too)" }),
  about,
});

const workspaceCostSchema = z.object({
  id: workspaceIdSchema,
  name: workspaceNameSchema,
  sessions: z.int().min(0),
  boxHours,
  boxesUsd: usd,
  disksUsd: usd,
  snapshotsUsd: usd,
  usd,
});

const budgetSchema = z.object({ usd, spent: z.number().min(0).meta({ description: 'Share of it that is spent: 0.8 is 80 %' }) });

const sums = {
  usd,
  projectedUsd: usd.meta({ description: 'What the month will have cost if it goes on as until now' }),
  perHourUsd: usd.meta({ description: 'What an hour costs with what is there now' }),
  about,
  budget: budgetSchema.nullable(),
};

const ownerCostSchema = z.object({
  owner: ownerSchema,
  ...sums,
  workspaces: z.array(workspaceCostSchema).meta({ description: 'The dearest first' }),
  sessions: z.array(sessionCostSchema).meta({ description: 'The dearest first' }),
  moreSessions: z.int().min(0).meta({ description: 'Sessions that are not in the list' }),
});
export type OwnerCost = z.infer<typeof ownerCostSchema>;

export const costsSchema = z
  .object({
    month: monthSchema,
    until: isoTimeSchema,
    free: z.boolean().meta({ description: 'Boxes and what they keep cost nothing with this provider' }),
    ...sums,
    owners: z.array(ownerCostSchema),
  })
  .meta({ id: 'Costs' });
export type Costs = z.infer<typeof costsSchema>;

/** Of one session, where boxes cost something. */
export const sessionMoneySchema = z.object({ usd, perHourUsd: usd, about });
