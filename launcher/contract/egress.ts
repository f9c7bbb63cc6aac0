import * as z from 'zod';

const EGRESS_MAX = 100;

/** A host that a box may reach: its name, `*.` before it for all names below it, and a port when it is another than 80 and 443. */
const egressHostSchema = z
  .string()
  .max(260)
  .regex(
    /^(?:\*\.)?(?:[a-z0-9-]{1,63}\.){1,10}[a-z][a-z0-9-]{1,62}(?::[1-9][0-9]{0,4})?$/,
    'use the name of a host in small letters, such as packages.example.org, *.example.org or example.org:8443',
  )
  .meta({ example: 'packages.example.org' });

/** Null: everything may be reached. An empty list: nothing. */
export const egressSchema = z.array(egressHostSchema).max(EGRESS_MAX).nullable();
export type Egress = z.output<typeof egressSchema>;
