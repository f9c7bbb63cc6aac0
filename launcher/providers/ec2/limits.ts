/** Bounds of the EC2 provider; the launcher's own are in core/limits. Times in milliseconds. */
export const EC2_LIMITS = {
  /** AWS takes so many values of one filter. */
  filterValues: 200,
  /** Pages of one list that are followed. */
  pages: 200,
  /** One Describe of a kind in this time, for all who wait for something of it. */
  lookEveryMs: 1000,
  /** The same for things of which every moment counts, as long as those who wait for them fit into one Describe. */
  lookSoonMs: 200,
  /** Looks that come within this time go together. */
  gatherMs: 10,
  /** What was seen so lately is not looked at again. */
  freshMs: 900,
  freshSoonMs: 80,
  /** One call, from its being sent to its answer. */
  callMs: 25_000,
  /** The longest that a call waits for its turn. */
  turnMs: 20_000,
  /** Tries of one call, the first one counted. */
  tries: 4,
  retryBaseMs: 250,
  retryMaxMs: 5000,
  /** Retries in reserve for a bad moment: each costs one, each call that succeeds gives a tenth back. */
  retryBudget: 20,
  /** Describes may lag behind so much: what is not to be seen for longer is not there. */
  readLagMs: 15_000,
  /** An instance that was launched is to be seen within this time, however long describes lag. */
  invisibleMs: 120_000,
  /** A pool that had no machine is left out for this long. */
  emptyPoolMs: 180_000,
  /** CreateFleet takes so many pools. */
  overrides: 300,
  /** Calls of CreateFleet for one launch. */
  fleets: 12,
  /** A state that is older may have been acted on by a launcher that died: what it made is looked for first. */
  promptMs: 5000,
  /** Between two looks at a command that was sent to a box. */
  commandLookMs: 500,
  /** A small question to the agent of a box, by whatever way. */
  answerMs: 20_000,
  quiesceMs: 110_000,
  /** A command that runs on a box without a tunnel to it. */
  commandMs: 3_600_000,
  /** A tunnel that carries nothing is closed after this. */
  tunnelIdleMs: 300_000,
  /** Tries to get a box of the pool on its way. */
  takes: 3,
  /** A box that was made quiet here is believed to be so for this long. */
  quietMs: 300_000,
  attachMs: 60_000,
  detachMs: 60_000,
  /** Between two requests to let go of the same volume. */
  detachAgainMs: 10_000,
  /** Copies of one volume that are asked for at once: AWS makes so many at a time. */
  copies: 5,
  /** Copies of a volume are waited for so long, for its box stands still meanwhile. */
  copyMs: 6000,
  /** A frozen box thaws by itself after this. */
  freezeMs: 20_000,
  /** Lines that one step of a launch tells. */
  notes: 6,
  /** Those who wait in line for a machine, each with its place. */
  places: 20_000,
  /** Boxes, snapshots and absences that are remembered. */
  remembered: 5000,
  /** What is on offer where. */
  offersKeepMs: 24 * 3_600_000,
  pricesKeepMs: 900_000,
} as const;
export type Ec2Limits = { readonly [K in keyof typeof EC2_LIMITS]: number };
