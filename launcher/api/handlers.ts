import * as boxes from './boxes.ts';
import { connectBox } from './connect.ts';
import { costs } from './costs.ts';
import * as events from './events.ts';
import * as exec from './exec.ts';
import * as files from './files.ts';
import * as forks from './forks.ts';
import type { Handlers } from './operation.ts';
import * as parking from './parking.ts';
import { pool } from './pool.ts';
import * as sessions from './sessions.ts';
import * as snapshots from './snapshots.ts';
import * as system from './system.ts';
import * as tokens from './tokens.ts';
import * as workspaces from './workspaces.ts';

/** Which function answers which operation. */
export const handlersWith = (memory: tokens.TokenMemory): Handlers => ({
  createSession: sessions.createSession,
  listSessions: sessions.listSessions,
  getSession: sessions.getSession,
  endSession: sessions.endSession,
  parkSession: parking.parkSession,
  wakeSession: parking.wakeSession,
  createHold: sessions.createHold,
  deleteHold: sessions.deleteHold,
  interruptSession: sessions.interruptSession,
  why: sessions.why,
  events: events.events,
  createSnapshot: snapshots.createSnapshot,
  listSnapshots: snapshots.listSnapshots,
  deleteSnapshot: snapshots.deleteSnapshot,
  pruneSnapshots: snapshots.pruneSnapshots,
  logs: files.logs,
  putFiles: files.putFiles,
  getFiles: files.getFiles,
  importSource: files.importSource,
  exec: exec.exec,
  attach: exec.attach,
  connectBox,
  listWorkspaces: workspaces.listWorkspaces,
  getWorkspace: workspaces.getWorkspace,
  updateWorkspace: workspaces.updateWorkspace,
  deleteWorkspace: workspaces.deleteWorkspace,
  restoreWorkspace: workspaces.restoreWorkspace,
  forkWorkspace: forks.forkWorkspace,
  costs,
  pool,
  listTokens: tokens.listTokens,
  createToken: tokens.createToken,
  revokeToken: tokens.revokeToken(memory),
  whoami: tokens.whoami,
  reap: system.reap,
  recover: system.recover,
  info: system.info,
  launcherLogs: system.launcherLogs,
  healthz: system.healthz,
  readyz: system.readyz,
  metrics: system.metrics,
  openapi: system.openapi,
  docs: system.docs,
  boxDisk: boxes.boxDisk,
  registerBox: boxes.registerBox,
  heartbeat: boxes.heartbeat,
});
