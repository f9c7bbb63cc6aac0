import * as z from 'zod';
import { secretNamesSchema } from './secrets.ts';

const terminalSizeSchema = z.strictObject({ cols: z.int().min(1).max(1000), rows: z.int().min(1).max(1000) });
export type TerminalSize = z.infer<typeof terminalSizeSchema>;

/** What to run. Empty `argv` is the login shell of the box. Arguments are passed as they are: no shell looks at them. */
export const execStartSchema = z
  .strictObject({
    argv: z
      .array(z.string().max(131_072))
      .max(4096)
      .default([])
      .meta({ example: ['npm', 'test'] }),
    cwd: z
      .string()
      .max(4096)
      .refine((path) => !path.includes('\0'), { message: 'must not have a NUL' })
      .optional()
      .meta({ description: 'Absolute, or relative to /workspace/src, which is the default', example: 'packages/api' }),
    env: z.record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]{0,255}$/, 'is not a variable name'), z.string().max(131_072)).default({}),
    secrets: secretNamesSchema.optional().meta({ description: 'Secrets of the session that it has as variables', example: ['NPM_TOKEN'] }),
    secretFiles: secretNamesSchema.optional().meta({
      description: 'Secrets of the session that it has as files in memory of the box; the variable NAME_FILE says where',
    }),
    tty: terminalSizeSchema.extend({ term: z.string().regex(/^[A-Za-z0-9._+-]{1,64}$/) }).optional(),
  })
  .meta({ id: 'ExecStart' });
export type ExecStart = z.output<typeof execStartSchema>;
export type ExecStartInput = z.input<typeof execStartSchema>;

/** Exit of the command: its own code, or 128 + signal number as shells do; 127 not found, 126 not executable. */
export const execExitSchema = z.object({ code: z.int(), signal: z.string().optional() });
export type ExecExit = z.infer<typeof execExitSchema>;

export const resizeSchema = terminalSizeSchema;
export const signalSchema = z.strictObject({ signal: z.enum(['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGKILL', 'SIGUSR1', 'SIGUSR2']) });
