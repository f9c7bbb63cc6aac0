import { buffer } from 'node:stream/consumers';
import { describe, expect, it } from 'vitest';
import { DevctlError } from '../../../launcher/contract/errors.ts';
import { decodeJson, encodeJsonFrame, FRAME, FrameReader } from '../../../launcher/contract/exec-frames.ts';
import type { SsmApi } from '../../../launcher/providers/ec2/api.ts';
import { Calls } from '../../../launcher/providers/ec2/calls.ts';
import { commandExec } from '../../../launcher/providers/ec2/command-exec.ts';
import { type CommandResult, Commands } from '../../../launcher/providers/ec2/commands.ts';
import { EC2_LIMITS } from '../../../launcher/providers/ec2/limits.ts';

const WHY = new DevctlError('unsupported', 'the plugin is not installed', { hint: 'install it' });

/** Runs a command that way. @returns what came back, and the lines that AWS was sent */
async function exec(start: object): Promise<{ frames: Array<[type: number, content: unknown]>; lines: string[] }> {
  const lines: string[] = [];
  const commands = {
    run: async (_box: string, line: string) => {
      lines.push(line);
      return { code: 3, stdout: 'out', stderr: '' };
    },
  } as unknown as Commands;
  const stream = commandExec(commands, 'i-0123456789abcdef0', WHY, 1000);
  const came = buffer(stream);
  stream.write(encodeJsonFrame(FRAME.start, start));
  const frames = new FrameReader().push(await came);
  const isJson = (type: number) => type === FRAME.exit || type === FRAME.error;
  return {
    lines,
    frames: [...frames].map(({ type, payload }) => [type, isJson(type) ? decodeJson(payload) : Buffer.from(payload).toString()]),
  };
}

describe('a command without the plugin of Session Manager', () => {
  it('runs, and tells its output and its exit code at its end', async () => {
    const { frames, lines } = await exec({ argv: ['make'] });
    expect(frames).toEqual([
      [FRAME.stdout, 'out'],
      [FRAME.exit, { code: 3 }],
    ]);
    expect(lines).toHaveLength(1);
  });

  it('gets no variables: AWS keeps the text of commands, and what is in a variable is often secret', async () => {
    const { frames, lines } = await exec({ argv: ['make'], env: { API_KEY: 'canary' } });
    expect(frames).toEqual([[FRAME.error, expect.objectContaining({ code: 'unsupported', hint: 'install it' })]]);
    expect(JSON.stringify(frames)).toContain('the plugin is not installed');
    expect(lines).toEqual([]);
  });

  it('gets no terminal', async () => {
    const { frames, lines } = await exec({ argv: [], tty: { cols: 80, rows: 24, term: 'xterm' } });
    expect(frames).toEqual([[FRAME.error, expect.objectContaining({ code: 'unsupported' })]]);
    expect(lines).toEqual([]);
  });

  it('that is given up in the middle is told of once, whatever it says later', async () => {
    let end: (result: CommandResult) => void = () => {};
    const commands = { run: () => new Promise((resolve) => (end = resolve)) } as unknown as Commands;
    const stream = commandExec(commands, 'i-0123456789abcdef0', WHY, 1000);
    const faults: Error[] = [];
    stream.on('error', (error) => faults.push(error));
    stream.write(encodeJsonFrame(FRAME.start, { argv: ['make'] }));
    stream.write(encodeJsonFrame(FRAME.signal, { signal: 'SIGINT' }));
    stream.write(encodeJsonFrame(FRAME.signal, { signal: 'SIGINT' }));
    end({ code: 0, stdout: 'late', stderr: 'late' });
    await new Promise(setImmediate);
    const frames = new FrameReader().push(await buffer(stream));
    expect([...frames].map(({ type }) => type)).toEqual([FRAME.error]);
    expect(faults).toEqual([]);
  });
});

describe('a line of shell that Systems Manager ended', () => {
  it.each(['TimedOut', 'Cancelled'])('%s is no exit code of it', async (status) => {
    const ssm = {
      sendCommand: async () => ({ Command: { CommandId: 'one' } }),
      getCommandInvocation: async () => ({ Status: status, StatusDetails: status, ResponseCode: -1 }),
    } as unknown as SsmApi;
    const limits = EC2_LIMITS;
    // Rests are over at once, and no deadline comes.
    const time = {
      now: () => 0,
      after: (ms: number, run: () => void) => {
        const timer = ms < limits.callMs ? setTimeout(run, 0) : undefined;
        return () => clearTimeout(timer);
      },
    };
    const calls = new Calls<SsmApi>({ api: ssm, time, random: { bytes: (length) => new Uint8Array(length) }, limits });
    const commands = new Commands({ calls, time, limits });
    await expect(commands.run('i-0123456789abcdef0', 'true', 1000)).rejects.toMatchObject({
      kind: 'unreachable',
      message: expect.stringContaining(status),
    });
  });
});
