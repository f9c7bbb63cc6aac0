import { buffer } from 'node:stream/consumers';
import { describe, expect, it } from 'vitest';
import { DevctlError } from '../../../launcher/contract/errors.ts';
import { decodeJson, encodeJsonFrame, FRAME, FrameReader } from '../../../launcher/contract/exec-frames.ts';
import { CommandExec } from '../../../launcher/providers/ec2/command-exec.ts';
import type { Commands } from '../../../launcher/providers/ec2/commands.ts';

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
  const stream = new CommandExec(commands, 'i-0123456789abcdef0', WHY, 1000);
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
});
