import * as z from 'zod';
import { ERROR_CODES } from './errors.ts';

/** One field that was refused: where, what was got and what is allowed. */
export const issueSchema = z.object({
  field: z.string().meta({ description: 'Dotted path of the field', example: 'idleTtl' }),
  message: z.string().meta({ description: 'What is allowed', example: 'write 5m or 5h (30s … 12h)' }),
  got: z.string().optional().meta({ description: 'What was got, shortened' }),
});
export type Issue = z.infer<typeof issueSchema>;

/** The body of every error answer: RFC 9457 problem details with our stable extensions. */
export const problemSchema = z
  .looseObject({
    type: z.string(),
    code: z.enum(ERROR_CODES),
    title: z.string(),
    status: z.int(),
    retryable: z.boolean(),
    detail: z.string(),
    hint: z.string(),
    requestId: z.string().optional(),
    issues: z.array(issueSchema).optional(),
    sessionId: z.string().optional(),
    retryAfterS: z
      .int()
      .optional()
      .meta({ description: 'Seconds to wait before it is worth repeating; the Retry-After header says so too' }),
  })
  .meta({ id: 'Problem' });
export type Problem = z.infer<typeof problemSchema>;
