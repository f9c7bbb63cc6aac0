import * as z from 'zod';
import { DevctlError } from '../../contract/errors.ts';
import { ownerSchema, sessionIdSchema } from '../../contract/fields.ts';

/** Everything that the function of events is run for. */
export type Occurrence =
  | { kind: 'look'; owner: string; id: string; hops: number }
  | { kind: 'tick' }
  /** Something has become of a machine, a volume or a snapshot. */
  | { kind: 'thing'; thing: 'instance' | 'volume' | 'snapshot'; id: string }
  /** A spot machine is taken away. */
  | { kind: 'interruption'; instanceId: string; endsAtMs: number }
  /** Another account's or region's. */
  | { kind: 'foreign' };

/** AWS takes a spot instance away two minutes after it has said so. Source: EC2 User Guide, "Spot Instance interruption notices". */
const NOTICE_MS = 120_000;

const HOPS_MAX = 100;
/** What the launcher itself has the function run for, or a schedule that is told what to say. */
const ownSchema = z.discriminatedUnion('devctl', [
  z.strictObject({
    devctl: z.literal('look'),
    owner: ownerSchema,
    id: sessionIdSchema,
    hops: z.int().min(0).max(HOPS_MAX).default(0),
  }),
  z.strictObject({ devctl: z.literal('tick') }),
]);

/** An event of EventBridge. Source: EventBridge User Guide, "Event structure". */
const envelopeSchema = z.object({
  source: z.string().max(256),
  'detail-type': z.string().max(256),
  account: z.string(),
  region: z.string(),
  time: z.string(),
  resources: z.array(z.string().max(2048)).max(100).default([]),
  detail: z.unknown(),
});
type Envelope = z.output<typeof envelopeSchema>;

const INSTANCE = /^i-[0-9a-f]{8,17}$/;
const instanceSchema = z.object({ 'instance-id': z.string().regex(INSTANCE) });
const snapshotSchema = z.object({ snapshot_id: z.string().max(2048) });

type Reader = (event: Envelope) => Occurrence;

const readInstance: Reader = ({ detail }) => ({ kind: 'thing', thing: 'instance', id: instanceSchema.parse(detail)['instance-id'] });

/** What AWS tells of EC2 and EBS, by its names. Sources: EC2 and EBS User Guides, the pages on EventBridge. */
const READERS: Readonly<Record<string, Reader>> = {
  'aws.events Scheduled Event': () => ({ kind: 'tick' }),
  'aws.ec2 EC2 Instance State-change Notification': readInstance,
  'aws.ec2 EC2 Instance Rebalance Recommendation': readInstance,
  'aws.ec2 EC2 Spot Instance Interruption Warning': ({ detail, time }) => ({
    kind: 'interruption',
    instanceId: instanceSchema.parse(detail)['instance-id'],
    endsAtMs: z.iso.datetime().transform(Date.parse).parse(time) + NOTICE_MS,
  }),
  // The address has forms with and without a region; the id is the last of it.
  'aws.ec2 EBS Snapshot Notification': ({ detail }) => ({
    kind: 'thing',
    thing: 'snapshot',
    id: idIn(snapshotSchema.parse(detail).snapshot_id, /snapshot\/(snap-[0-9a-f]{8,17})$/),
  }),
  'aws.ec2 EBS Volume Notification': ({ resources }) => ({
    kind: 'thing',
    thing: 'volume',
    id: idIn(resources.find((arn) => arn.includes(':volume/')) ?? '', /:volume\/(vol-[0-9a-f]{8,17})$/),
  }),
};

/**
 * What an event says.
 * @throws DevctlError invalid_request for what is not known, or not of its form: it will never be understood
 */
export function readOccurrence(event: unknown, own: { accountId: string; region: string }): Occurrence {
  try {
    if (typeof event === 'object' && event !== null && 'devctl' in event) {
      const { devctl: kind, ...rest } = ownSchema.parse(event);
      return { kind, ...rest } as Occurrence;
    }
    const envelope = envelopeSchema.parse(event);
    const read = READERS[`${envelope.source} ${envelope['detail-type']}`];
    if (read === undefined)
      throw unknown(`there is no event ${JSON.stringify(envelope['detail-type'])} of ${JSON.stringify(envelope.source)} here`);
    return envelope.account === own.accountId && envelope.region === own.region ? read(envelope) : { kind: 'foreign' };
  } catch (error) {
    if (error instanceof z.ZodError) throw unknown(`the event is not of its form: ${z.prettifyError(error).slice(0, 500)}`);
    throw error;
  }
}

const unknown = (detail: string): DevctlError => new DevctlError('invalid_request', detail);

function idIn(arn: string, pattern: RegExp): string {
  const id = pattern.exec(arn)?.[1];
  if (id === undefined) throw unknown(`the event names none that can be: ${JSON.stringify(arn.slice(0, 200))}`);
  return id;
}
