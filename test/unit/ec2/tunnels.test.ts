import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { SsmApi } from '../../../launcher/providers/ec2/api.ts';
import { createEc2Reach, type Ec2Reach } from '../../../launcher/providers/ec2/reach.ts';

const BOX = { boxId: 'i-0123456789abcdef0', sessionId: 's', generation: 1 } as never;
const REPORT = {
  stoppedProcesses: [],
  killedProcesses: [],
  repositories: [],
  files: 1,
  bytes: 1,
  canary: null,
  truncated: false,
  tookMs: 1,
};

/** A plugin whose tunnel takes connections and never says a word, and that does not end when it is asked to. */
const DEAF = `#!${process.execPath}
const { createServer } = require('node:net');
const { appendFileSync } = require('node:fs');
process.on('SIGTERM', () => {});
appendFileSync(process.env.PIDS, process.pid + '\\n');
const server = createServer(() => {});
server.listen(0, '127.0.0.1', () => console.log('Port ' + server.address().port + ' opened for sessionId one.'));
`;

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

describe('tunnels that are no use', () => {
  let dir: string;
  let reach: Ec2Reach;
  let asked: string[];
  const pids = () => readFileSync(join(dir, 'pids'), 'utf8').trim().split('\n').map(Number);

  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'tunnels-'));
    writeFileSync(join(dir, 'session-manager-plugin'), DEAF);
    chmodSync(join(dir, 'session-manager-plugin'), 0o755);
    asked = [];
    const answer = gzipSync(JSON.stringify({ status: 200, answer: REPORT })).toString('base64');
    const ssm = {
      startSession: async () => ({ SessionId: 'one', TokenValue: 'token' }),
      terminateSession: async ({ SessionId }: { SessionId: string }) => void asked.push(`terminate ${SessionId}`),
      sendCommand: async () => {
        asked.push('command');
        return { Command: { CommandId: 'c' } };
      },
      getCommandInvocation: async () => ({ Status: 'Success', ResponseCode: 0, StandardOutputContent: `${answer}\n` }),
    } as unknown as SsmApi;
    reach = createEc2Reach({
      ssm,
      time: {
        now: () => Date.now(),
        after: (ms, run) => {
          const timer = setTimeout(run, ms);
          return () => clearTimeout(timer);
        },
      },
      random: { bytes: (length) => new Uint8Array(length) },
      region: 'eu-central-1',
      agentPort: 7410,
      accessKey: () => 'key',
      env: { ...process.env, PATH: `${dir}${delimiter}${process.env['PATH']}`, PIDS: join(dir, 'pids') },
      limits: { answerMs: 200, quiesceMs: 200, commandLookMs: 1 },
    });
  });
  afterEach(async () => {
    await reach.close();
    rmSync(dir, { recursive: true });
  });

  it('a box whose tunnel has gone deaf is made quiet by a command', async () => {
    await expect(reach.access.exec(BOX)).rejects.toMatchObject({ kind: 'unreachable' });
    await expect(reach.channel.quiesce(BOX, 'op')).resolves.toEqual(REPORT);
    expect(asked.filter((what) => what === 'command')).toHaveLength(1);
    await expect(reach.access.exec(BOX), 'the next command has a tunnel of its own').rejects.toMatchObject({ kind: 'unreachable' });
    expect(pids()).toHaveLength(2);
  });

  it('none of them outlives its launcher, and its session ends with it', async () => {
    await expect(reach.access.logs(BOX, { tailLines: 1, follow: false })).rejects.toMatchObject({ kind: 'unreachable' });
    const [pid = 0] = pids();
    expect(isAlive(pid)).toBe(true);
    await reach.close();
    expect(isAlive(pid)).toBe(false);
    expect(asked).toContain('terminate one');
  });
});
