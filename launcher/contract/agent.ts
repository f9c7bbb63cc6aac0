import * as z from 'zod';

/** `POST /quiesce`, answered with a QuiesceReport. */
export const quiesceRequestSchema = z.strictObject({ operationId: z.string().min(1).max(200) });

/** `POST /freeze`: stop every process of the box but its agent. It thaws by itself when `forMs` have passed. */
export const freezeRequestSchema = z.strictObject({ operationId: z.string().min(1).max(200), forMs: z.int().min(1).max(3_600_000) });
export const freezeResultSchema = z.object({ frozen: z.boolean() });

/** `POST /thaw`: `held` says whether nothing ran since the freeze of the same operation. */
export const thawRequestSchema = z.strictObject({ operationId: z.string().min(1).max(200) });
export const thawResultSchema = z.object({ held: z.boolean() });
