import type { Duplex } from 'node:stream';
import { DevctlError } from '../launcher/contract/errors.ts';
import {
  encodeFrame,
  encodeJsonFrame,
  FRAME,
  FRAME_CHUNK_BYTES,
  type Frame,
  FrameReader,
  type FrameType,
} from '../launcher/contract/exec-frames.ts';

/** What of a client's input may wait for a command that does not read; then its socket is not read either. */
const INPUT_PAUSE_BYTES = 1024 * 1024;
/** While paused, a little is read now and then all the same: it is the only way to learn that the client has gone. */
const PROBE_EVERY_MS = 1_000;
const INPUT_LIMIT_BYTES = 16 * 1024 * 1024;

interface Source {
  pause(): unknown;
  resume(): unknown;
}

/** Frames over a byte stream, with back-pressure in both directions. */
export class FrameChannel {
  readonly #socket: Duplex;
  readonly #sources = new Set<Source>();
  #full = false;
  #gone = false;
  #probe: NodeJS.Timeout | undefined;

  /** @param onFrame called for each frame in order; what it throws is sent as an error and ends the channel */
  constructor(socket: Duplex, head: Uint8Array, onFrame: (frame: Frame) => void, onGone: () => void) {
    this.#socket = socket;
    const reader = new FrameReader();
    const push = (chunk: Uint8Array) => {
      try {
        for (const frame of reader.push(chunk)) onFrame(frame);
      } catch (error) {
        this.fail(error);
      }
    };
    const gone = () => {
      if (this.#gone) return;
      this.#gone = true;
      clearInterval(this.#probe);
      for (const source of this.#sources) source.resume();
      onGone();
      socket.destroy();
    };
    socket.on('data', push);
    socket.on('drain', () => {
      this.#full = false;
      for (const source of this.#sources) source.resume();
    });
    socket.on('end', gone);
    socket.on('close', gone);
    socket.on('error', gone);
    if (head.length > 0) push(head);
  }

  get gone(): boolean {
    return this.#gone;
  }

  /** Output of a command: the source rests while the client is slower than it. */
  pipe(source: Source & { on(event: 'data', listener: (chunk: Buffer) => void): unknown }, type: FrameType): void {
    this.attach(source);
    source.on('data', (chunk) => this.output(type, chunk));
  }

  attach(source: Source): void {
    this.#sources.add(source);
  }

  output(type: FrameType, chunk: Uint8Array): void {
    for (let start = 0; start < chunk.length; start += FRAME_CHUNK_BYTES) {
      this.#write(encodeFrame(type, chunk.subarray(start, start + FRAME_CHUNK_BYTES)));
    }
  }

  /** Rests the client while `waiting()` bytes have not been taken by the command. Call it after each write to the command. */
  regulate(waiting: () => number, onDrain: (resume: () => void) => void): void {
    if (waiting() <= INPUT_PAUSE_BYTES || this.#socket.isPaused()) return;
    this.#socket.pause();
    clearInterval(this.#probe);
    this.#probe = setInterval(() => {
      if (waiting() < INPUT_LIMIT_BYTES) this.#socket.resume();
    }, PROBE_EVERY_MS);
    onDrain(() => {
      clearInterval(this.#probe);
      this.#socket.resume();
    });
  }

  notice(text: string): void {
    this.#write(encodeFrame(FRAME.notice, new TextEncoder().encode(text)));
  }

  /** Says how the command ended, and ends the channel. */
  exit(code: number, signal?: string): void {
    this.#last(encodeJsonFrame(FRAME.exit, { code, ...(signal && { signal }) }));
  }

  /** Says that the command could not be run, and ends the channel. */
  fail(error: unknown): void {
    const known =
      error instanceof DevctlError ? error : new DevctlError('invalid_request', error instanceof Error ? error.message : String(error));
    this.#last(encodeJsonFrame(FRAME.error, known.toProblem()));
  }

  #last(frame: Uint8Array): void {
    this.#write(frame);
    this.#socket.end();
  }

  #write(bytes: Uint8Array): void {
    if (this.#gone || this.#socket.writableEnded) return;
    if (this.#socket.write(bytes) || this.#full) return;
    this.#full = true;
    for (const source of this.#sources) source.pause();
  }
}
