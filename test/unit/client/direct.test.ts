import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type DirectApi, DirectBoxes } from '../../../launcher/client/direct.ts';
import { ReachError } from '../../../launcher/connect/errors.ts';
import type { SessionRequest } from '../../../launcher/connect/tunnels.ts';
import { encodeJsonFrame, FRAME, FrameReader } from '../../../launcher/contract/exec-frames.ts';

/** Says what the plugin of AWS says, and forwards to a port that the test names. */
const PLUGIN = `#!${process.execPath}
const { connect, createServer } = require('node:net');
const server = createServer((socket) => socket.pipe(connect(Number(process.env.AGENT), '127.0.0.1')).pipe(socket));
server.listen(0, '127.0.0.1', () => console.log('Port ' + server.address().port + ' opened for sessionId one.'));
`;
const CONNECTION = {
  way: 'session-manager' as const,
  region: 'eu-central-1',
  instanceId: 'i-0123456789abcdef0',
  document: 'AWS-StartPortForwardingSession',
  port: 881,
  accessKey: 'key',
  expiresAt: '2026-01-01T00:00:00.000Z',
};

describe('straight to a box', () => {
  let dir: string;
  let agent: Server;
  let asked: string[];
  let started: SessionRequest[];
  let ended: string[];
  let refusals: Error[];
  const boxes: DirectBoxes[] = [];

  beforeEach(async () => {
    dir = mkdtempSync(join(tmpdir(), 'direct-'));
    writeFileSync(join(dir, 'session-manager-plugin'), PLUGIN);
    chmodSync(join(dir, 'session-manager-plugin'), 0o755);
    [asked, started, ended, refusals] = [[], [], [], []];
    agent = createServer((incoming, answer) => answer.end(`${incoming.url} ${incoming.headers.authorization}`));
    await new Promise<void>((resolve) => agent.listen(0, '127.0.0.1', resolve));
  });
  afterEach(async () => {
    await Promise.all(boxes.splice(0).map((each) => each.close()));
    agent.close();
    rmSync(dir, { recursive: true });
  });

  function open(path = dir): DirectBoxes {
    const api: DirectApi = {
      async connect(_session, purpose) {
        asked.push(purpose);
        return CONNECTION;
      },
      exec: async (_session, body) => ({
        code: 3,
        stdout: JSON.stringify(body),
        stderr: '',
        truncated: true,
        timedOut: body.argv[0] === 'slow',
      }),
    };
    const sessions = {
      async start(request: SessionRequest) {
        started.push(request);
        const refusal = refusals.shift();
        if (refusal) throw refusal;
        return { SessionId: 'one' };
      },
      terminate: async (id: string) => ended.push(id),
    };
    const env = { PATH: path, AGENT: String((agent.address() as AddressInfo).port) };
    const direct = new DirectBoxes({ api, user: async () => ({ sessions, profile: undefined }), env });
    boxes.push(direct);
    return direct;
  }

  it('one session carries all that is wanted of it, with the key of its agent, and ends with the command', async () => {
    const direct = open();
    const logs = await direct.logs('ses', { tailLines: 5, follow: false });
    expect(await text(logs)).toBe('/logs?tail=5&follow=false Bearer key');
    expect(await text(await direct.getFiles('ses', 'a b'))).toBe('/files?path=a+b Bearer key');
    expect(asked).toEqual(['logs', 'copy']);
    expect(started).toEqual([
      {
        Target: CONNECTION.instanceId,
        DocumentName: CONNECTION.document,
        Parameters: { portNumber: ['881'], localPortNumber: ['0'] },
      },
    ]);
    await direct.close();
    expect(ended).toEqual(['one']);
  });

  it('a box that is not online yet is waited for; what will not mend itself is not', async () => {
    refusals.push(new ReachError('unreachable', 'it is not online', { isComing: true }));
    const direct = open();
    expect(await text(await direct.getFiles('ses', 'a'))).toContain('Bearer key');
    expect(started).toHaveLength(2);
    for (let n = 0; n < 5; n += 1) refusals.push(new ReachError('unreachable', 'no route to AWS'));
    await expect(open().getFiles('ses', 'a')).rejects.toMatchObject({ code: 'box_unreachable', detail: 'no route to AWS' });
    expect(started).toHaveLength(4);
  });

  it('without the plugin a command is run as a whole, and what is cut or late is told', async () => {
    const direct = open('/nowhere');
    const run = async (argv: string[]) => {
      const stream = await direct.exec('ses');
      stream.write(encodeJsonFrame(FRAME.start, { argv, cwd: 'sub', secrets: ['TOKEN'] }));
      const frames = new FrameReader().push(Buffer.from(await new Response(stream as never).arrayBuffer()));
      return frames.map(({ type, payload }) => [type, Buffer.from(payload).toString()] as const);
    };
    const missing = 'session-manager-plugin is not installed here, and boxes on EC2 are reached by it';
    expect(await run(['make'])).toEqual([
      [FRAME.notice, expect.stringContaining(missing)],
      [FRAME.stdout, JSON.stringify({ argv: ['make'], cwd: 'sub', secrets: ['TOKEN'], timeout: '14m' })],
      [FRAME.stderr, `\ndevctl: the output is cut, since ${missing}\n`],
      [FRAME.exit, '{"code":3}'],
    ]);
    expect((await run(['slow'])).at(-1)?.[1]).toContain('the command was ended after 14m');
    await expect(direct.putFiles('ses', '.', Readable.from([]))).rejects.toMatchObject({
      code: 'unsupported',
    });
    expect(started).toEqual([]);
  });
});
