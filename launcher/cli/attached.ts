import type { Duplex } from 'node:stream';
import { DevctlError, ERRORS, type ErrorCode } from '../contract/errors.ts';
import { decodeJson, encodeFrame, encodeJsonFrame, FRAME, FRAME_CHUNK_BYTES, type Frame, FrameReader } from '../contract/exec-frames.ts';
import type { ExecStartInput } from '../contract/exec-messages.ts';
import { plainText } from './text.ts';

export interface Attachment {
  /** The byte stream of frames to the box. */
  stream: Duplex;
  start: ExecStartInput;
  stdin: NodeJS.ReadStream | null;
  stdout: NodeJS.WriteStream;
  stderr: NodeJS.WriteStream;
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2'] as const;

/** Restores the terminal whatever happens, and says once more how big it is when it changes. */
class LocalTerminal {
  readonly #stdin: NodeJS.ReadStream;
  readonly #restore = (): void => {
    if (this.#stdin.isRaw) this.#stdin.setRawMode(false);
  };

  constructor(stdin: NodeJS.ReadStream) {
    this.#stdin = stdin;
  }

  enter(): void {
    process.once('exit', this.#restore);
    this.#stdin.setRawMode(true);
  }

  leave(): void {
    this.#restore();
    process.off('exit', this.#restore);
  }
}

/**
 * Runs a command or terminal over a stream of frames until it ends.
 * @returns its exit code
 * @throws DevctlError what the box refused with, or `box_unreachable` when the connection was lost
 */
export async function runAttached(attachment: Attachment): Promise<number> {
  const { stream, start, stdin, stdout } = attachment;
  const terminal = start.tty && stdin ? new LocalTerminal(stdin) : null;
  const send = (bytes: Uint8Array): void => {
    if (!stream.destroyed && stream.writable) stream.write(bytes);
  };
  const resized = (): void =>
    send(encodeJsonFrame(FRAME.resize, { cols: clampSize(stdout.columns, 80), rows: clampSize(stdout.rows, 24) }));
  const forget = forwardSignals(send, start.tty !== undefined);
  const detachInput = stdin ? forwardInput(stdin, stream, send) : null;
  try {
    terminal?.enter();
    send(encodeJsonFrame(FRAME.start, start));
    if (!stdin) send(encodeFrame(FRAME.stdinEnd));
    if (start.tty) stdout.on('resize', resized);
    detachInput?.begin();
    return await readOutput(attachment);
  } finally {
    stdout.off('resize', resized);
    detachInput?.end();
    forget();
    terminal?.leave();
    stream.destroy();
  }
}

export const clampSize = (size: number | undefined, fallback: number): number => Math.min(1000, Math.max(1, size || fallback));

/** Standard input as frames, no faster than the other side takes it. */
function forwardInput(stdin: NodeJS.ReadStream, stream: Duplex, send: (bytes: Uint8Array) => void): { begin(): void; end(): void } {
  const resume = (): void => {
    stdin.resume();
  };
  const onData = (chunk: Buffer): void => {
    for (let at = 0; at < chunk.length; at += FRAME_CHUNK_BYTES) send(encodeFrame(FRAME.stdin, chunk.subarray(at, at + FRAME_CHUNK_BYTES)));
    if (stream.writableNeedDrain) stdin.pause();
  };
  const onEnd = (): void => send(encodeFrame(FRAME.stdinEnd));
  return {
    begin() {
      stdin.on('data', onData);
      stdin.once('end', onEnd);
      stdin.once('error', onEnd);
      stream.on('drain', resume);
    },
    end() {
      stdin.off('data', onData);
      stdin.off('end', onEnd);
      stdin.off('error', onEnd);
      stdin.pause();
      stdin.unref?.();
    },
  };
}

/** Signals to this process go to the command instead. In a raw terminal Ctrl-C is input and never gets here. */
function forwardSignals(send: (bytes: Uint8Array) => void, isTerminal: boolean): () => void {
  const handlers = SIGNALS.map((signal) => {
    let count = 0;
    const handler = (): void => {
      count += 1;
      // A command that does not listen must not keep the person here for ever.
      if (count >= 3) process.exit(130);
      send(encodeJsonFrame(FRAME.signal, { signal }));
      if (isTerminal && (signal === 'SIGHUP' || signal === 'SIGTERM')) process.exit(signal === 'SIGHUP' ? 129 : 143);
    };
    process.on(signal, handler);
    return () => process.off(signal, handler);
  });
  return () => {
    for (const off of handlers) off();
  };
}

const isErrorCode = (code: unknown): code is ErrorCode => typeof code === 'string' && Object.hasOwn(ERRORS, code);

/** What the box says in an error frame, as an error of ours. */
function refused(payload: Uint8Array): DevctlError {
  const problem = decodeJson(payload) as { code?: unknown; detail?: unknown; message?: unknown; hint?: unknown };
  const detail =
    typeof problem.detail === 'string'
      ? problem.detail
      : typeof problem.message === 'string'
        ? problem.message
        : 'the box refused the command';
  return new DevctlError(
    isErrorCode(problem.code) ? problem.code : 'box_unreachable',
    detail,
    typeof problem.hint === 'string' ? { hint: problem.hint } : {},
  );
}

function noticeText(payload: Uint8Array): string {
  const text = new TextDecoder().decode(payload);
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'string') return value;
    if (typeof value === 'object' && value !== null && 'text' in value && typeof value.text === 'string') return value.text;
  } catch {
    // Plain text is a notice, too.
  }
  return text;
}

/** Writes what comes until the exit frame. */
async function readOutput({ stream, start, stdout, stderr }: Attachment): Promise<number> {
  const reader = new FrameReader();
  const newline = start.tty ? '\r\n' : '\n';
  const handle = async (frame: Frame): Promise<number | null> => {
    switch (frame.type) {
      case FRAME.stdout:
        await write(stdout, frame.payload);
        return null;
      case FRAME.stderr:
        await write(stderr, frame.payload);
        return null;
      case FRAME.notice:
        await write(stderr, `${start.tty ? '\r\n' : ''}${plainText(noticeText(frame.payload))}${newline}`);
        return null;
      case FRAME.error:
        throw refused(frame.payload);
      case FRAME.exit: {
        const { code } = decodeJson(frame.payload) as { code?: unknown };
        return typeof code === 'number' ? code : 1;
      }
      default:
        return null;
    }
  };
  let cause: unknown;
  try {
    for await (const chunk of stream as AsyncIterable<Uint8Array>) {
      for (const frame of reader.push(chunk)) {
        const code = await handle(frame);
        if (code !== null) return code;
      }
    }
  } catch (error) {
    if (error instanceof DevctlError) throw error;
    cause = error;
  }
  throw new DevctlError('box_unreachable', 'the connection to the box was lost before the command ended', {
    hint: 'see devctl status; a terminal can be opened again with devctl shell',
    cause,
  });
}

async function write(to: NodeJS.WriteStream, bytes: Uint8Array | string): Promise<void> {
  if (!to.write(bytes)) await new Promise<void>((resolve) => to.once('drain', () => resolve()));
}
