import * as z from 'zod';

const count = z.int().min(0);

/** State of one git repository in the workspace, as found at quiesce. */
export const repositoryStateSchema = z.object({
  path: z.string().max(4096).meta({ description: 'Relative to /workspace', example: 'src' }),
  branch: z.string().max(256).nullable(),
  dirtyFiles: count,
  unpushedCommits: count.meta({ description: 'Commits on any branch that no remote has' }),
  hasRemote: z.boolean(),
});

/** What the box finds out when it is made quiet. */
export const quiesceReportSchema = z.object({
  stoppedProcesses: z.array(z.string().max(256)).max(200).meta({ description: 'Commands that were ended, shortened' }),
  killedProcesses: z.array(z.string().max(256)).max(200).meta({ description: 'Commands that did not end in time and were killed' }),
  repositories: z.array(repositoryStateSchema).max(200),
  files: count,
  bytes: count,
  canary: z
    .object({ path: z.string().max(4096), sha256: z.string().length(64) })
    .nullable()
    .meta({ description: 'A file written last and its checksum: what a restore must find again' }),
  disk: z
    .enum(['unmounted', 'frozen', 'open'])
    .optional()
    .meta({ description: 'How the box left its disk; `open`: flushed, and something had not let go of it' }),
  truncated: z.boolean().meta({ description: 'True when a limit cut the scan short' }),
  tookMs: count,
  steps: z
    .array(z.object({ name: z.string().max(40), tookMs: count }))
    .max(20)
    .optional()
    .meta({ description: 'What was done, in its order, and how long each step took' }),
});
export type QuiesceReport = z.infer<typeof quiesceReportSchema>;

export const receiptSchema = z
  .object({
    snapshot: z.string().nullable(),
    parent: z.string().nullable(),
    clean: z.boolean().meta({ description: 'True when every writer was stopped before the snapshot' }),
    report: quiesceReportSchema.nullable(),
    newBytes: count.nullable().meta({ description: 'Bytes that the snapshot added on disk, where the provider knows' }),
    snapshotBytes: count.nullable(),
  })
  .meta({ id: 'Receipt' });
export type Receipt = z.infer<typeof receiptSchema>;
