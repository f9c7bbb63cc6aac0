import type { BoxLimits } from '../contract/agent-config.ts';

/** Every bound of the launcher in one place. Times in milliseconds, sizes in bytes unless the name says otherwise. */
export const LIMITS = {
  // bodies and requests
  jsonBodyBytes: 1024 * 1024,
  uploadBytes: 20 * 1024 ** 3,
  uploadFiles: 2_000_000,
  /** An archive that unpacks to more than this many times its own size, past `uploadRatioFloorBytes`, is refused. */
  uploadRatio: 200,
  uploadRatioFloorBytes: 256 * 1024 ** 2,
  headersMs: 10_000,
  bodyIdleMs: 20_000,
  requestMs: 3_600_000,
  execOutputBytes: 1_000_000,
  idempotencyKeepMs: 24 * 3_600_000,

  // sessions
  launchAttempts: 3,
  snapshotAttempts: 5,
  /** Boxes that may be lost one soon after the other. */
  rescues: 3,
  /** A box that was there for this long is not lost soon after the one before it. */
  rescueForgetMs: 10 * 60_000,
  quiesceAttempts: 2,
  launchMs: 120_000,
  /** All steps of one launch together, with a snapshot that has to be made first. */
  launchingMs: 3_600_000,
  bootstrapMs: 120_000,
  /** A box that still reports progress (a long clone or setup) gets this long. */
  prepareMs: 3_600_000,
  quiesceMs: 60_000,
  /** The longest that a look at the provider, or the removal of one thing, may take. */
  lookMs: 30_000,
  /** A box that does not take note of new orders within this time hears them at its next heartbeat. */
  pokeMs: 2_000,
  /** Between SIGTERM and SIGKILL when a box is made quiet. */
  stopGraceMs: 10_000,
  snapshotMs: 3_600_000,
  /** A snapshot that is on its way for longer is given up. */
  snapshotPendingMs: 24 * 3_600_000,
  backoffBaseMs: 500,
  backoffMaxMs: 30_000,
  busyPollMs: 500,
  pollMs: 500,
  /** With no heartbeat for this long the box is looked at through its provider. */
  silentMs: 45_000,
  readyLookMs: 15_000,
  /** How much later than its next look a session may stand in the due index. */
  dueSlackMs: 15_000,
  /** After a snapshot failed and the box was kept, the idle clock starts again with this. */
  retryDownMs: 300_000,
  parkAttempts: 5,
  /** A machine takes half a minute to stop. */
  parkPollMs: 2_000,
  /** A parked session is looked at this often: its box may have gone. */
  parkedLookMs: 900_000,
  /** Between two snapshots of a persistent session; and after one that failed. */
  dailySnapshotMs: 24 * 3_600_000,
  dailySnapshotRetryMs: 3_600_000,
  stepsPerReconcile: 20,
  casAttempts: 20,
  holds: 20,
  /** Events kept in the session record: more go to items of their own. */
  outboxEvents: 16,

  // lease
  selfReportedMaxMs: 4 * 3_600_000,
  warnBeforeMs: 5 * 60_000,
  heartbeatMaxMs: 10_000,
  heartbeatMinMs: 500,
  /** The box ends itself when the launcher has been silent this long past the hard deadline. */
  hardGraceMs: 600_000,

  // workspaces
  keepVolumeMs: 2 * 3_600_000,
  keepLast: 10,
  keepDaily: 7,
  sessionKeepMs: 30 * 24 * 3_600_000,

  // reaper
  orphanGraceMs: 10 * 60_000,
  dueBatch: 100,
  concurrency: 16,
  listPages: 10_000,

  // pool
  /** A box of the pool runs for so long before it is stopped: its system has come up by then. */
  poolWarmMs: 60_000,
  /** One that is not stopped by then is ended. */
  poolWarmingMs: 15 * 60_000,
  /** A launch without an answer is looked for after this. */
  poolAnswerMs: 60_000,
  /** Between two tries to launch one for which there was no machine. */
  poolRetryMs: 5 * 60_000,

  // quotas per owner
  quotaLiveSessions: 10,
  quotaWorkspaces: 200,
  quotaTokens: 100,
  quotaSnapshotBytes: 200 * 1024 ** 3,

  // budgets
  /** Of a month's budget: from here on its sessions are told. */
  budgetNearPercent: 80,
  /** A row that was counted anew longer ago is counted again before anybody is let in … */
  budgetStaleMs: 120_000,
  /** … and before anybody is refused. */
  budgetRecheckMs: 15_000,
  /** Sessions that are let in between two counts. */
  budgetAdmissions: 200,

  // event streams
  eventsPage: 500,
  sseKeepAliveMs: 15_000,
  /** Answers that stay open: events, logs, downloads, terminals. */
  streams: 400,
  streamsPerOwner: 100,
  /** Requests that are being answered, the long waits among them. */
  requestsAtOnce: 2000,
  requestsAtOncePerOwner: 300,

  // rates, for each launcher process
  /** Of one owner. A busy page or a script of one person stays far below. */
  requestsPerSecond: 200,
  requestBurst: 5000,
  /** Of requests without a valid token: for each remote address, and for each token that is shown. */
  authFailuresPerSecond: 1,
  authFailureBurst: 30,
  /** Owners, addresses and tokens that a rate is remembered of. */
  rateKeys: 10_000,
} as const;

export type Limits = { readonly [K in keyof typeof LIMITS]: number };

/** Time until the next try after `attempt` tries, doubling up to a bound. Without jitter: it only paces one session. */
export const backoffMs = (attempt: number, limits: Limits): number =>
  Math.min(limits.backoffMaxMs, limits.backoffBaseMs * 2 ** Math.min(attempt, 20));

/** What of it an agent is told. */
export const BOX_LIMITS: BoxLimits = {
  archiveBytes: LIMITS.uploadBytes,
  archiveFiles: LIMITS.uploadFiles,
  archiveRatio: LIMITS.uploadRatio,
  archiveRatioFloorBytes: LIMITS.uploadRatioFloorBytes,
  stopGraceMs: LIMITS.stopGraceMs,
  orphanLimitMs: LIMITS.orphanGraceMs,
};
