import { randomBytes } from 'node:crypto';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { packed } from '../../../agent-bootstrap/command.ts';
import { COMMAND_OUTPUT_MAX_CHARS } from '../../../launcher/contract/agent-config.ts';
import { quiesceReportSchema } from '../../../launcher/contract/receipt.ts';

const unpacked = (text: string) => JSON.parse(gunzipSync(Buffer.from(text, 'base64')).toString());
const noise = (length: number) => randomBytes(length).toString('base64').slice(0, length);
const many = (length: number) => Array.from({ length: 200 }, () => noise(length));
const repository = (path: string) => ({ path, branch: 'main', dirtyFiles: 1, unpushedCommits: 2, hasRemote: true });
const REPORT = {
  stoppedProcesses: ['make'],
  killedProcesses: [],
  repositories: [repository('src')],
  files: 1,
  bytes: 1,
  canary: null,
  truncated: false,
  tookMs: 1,
};

describe('an answer in the room that Systems Manager has for it', () => {
  it('is whole where it fits', () => {
    expect(unpacked(packed({ status: 200, answer: REPORT }))).toEqual({ status: 200, answer: REPORT });
  });

  it('is a report that says so where its processes had to be left out, and not one repository with them', () => {
    const text = packed({ status: 200, answer: { ...REPORT, stoppedProcesses: many(256), killedProcesses: many(256) } });
    expect(text.length).toBeLessThan(COMMAND_OUTPUT_MAX_CHARS - 1);
    const report = quiesceReportSchema.parse(unpacked(text).answer);
    expect(report).toMatchObject({ truncated: true, repositories: REPORT.repositories });
    expect(report.stoppedProcesses.length).toBeGreaterThan(5);
  });

  it('is a report at all, however long the names in it are', () => {
    const text = packed({ status: 200, answer: { ...REPORT, stoppedProcesses: many(256), repositories: many(4096).map(repository) } });
    expect(text.length).toBeLessThan(COMMAND_OUTPUT_MAX_CHARS - 1);
    expect(quiesceReportSchema.parse(unpacked(text).answer).truncated).toBe(true);
  });
});
