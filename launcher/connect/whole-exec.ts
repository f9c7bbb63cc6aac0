import { Duplex } from 'node:stream';
import { DevctlError } from '../contract/errors.ts';
import {
  decodeJson,
  encodeFrame,
  encodeJsonFrame,
  FRAME,
  FRAME_CHUNK_BYTES,
  FrameReader,
  type FrameType,
} from '../contract/exec-frames.ts';
import { type ExecStart, execStartSchema } from '../contract/exec-messages.ts';

/** What a command has said and how it ended. */
export interface WholeResult {
  code: number;
  stdout: string;
  stderr: string;
  /** Why that is not all of it. */
  cut?: string;
}

interface WholeExecOptions {
  /** Runs it to its end. @throws DevctlError, which is told as it is */
  run: (start: ExecStart) => Promise<WholeResult>;
  /** Why there is no better way: for what this one cannot do. */
  why: DevctlError;
  /** Said before anything else. */
  notice?: string;
}

/**
 * A stream of exec frames whose command is run as a whole, where nothing carries a stream: it has no terminal and no input, and its
 * output comes at its end.
 */
export class WholeExec extends Duplex {
  readonly #options: WholeExecOptions;
  readonly #reader = new FrameReader();
  #begun = false;
  /** The last frame has been pushed: what the command still says is told to nobody. */
  #over = false;

  constructor(options: WholeExecOptions) {
    super();
    this.#options = options;
  }

  override _read(): void {
    // Everything is pushed when the command has ended.
  }

  override _write(chunk: Uint8Array, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    try {
      for (const { type, payload } of this.#reader.push(chunk)) this.#take(type, payload);
      done();
    } catch (error) {
      done(error as Error);
    }
  }

  #take(type: FrameType, payload: Uint8Array): void {
    if (type === FRAME.stdin && payload.length > 0)
      this.#fail(`a command gets no input this way${this.#begun ? ', and goes on without it' : ''}`);
    if (type === FRAME.signal) this.#fail('a command cannot be signalled this way: it may go on');
    if (type !== FRAME.start || this.#begun) return;
    this.#begun = true;
    const start = execStartSchema.parse(decodeJson(payload));
    if (start.tty || start.argv.length === 0) this.#fail('there is no terminal this way');
    // AWS keeps the text of commands for a month, for whoever may list them.
    else if (Object.keys(start.env).length > 0) this.#fail('a command gets no variables this way');
    else void this.#run(start);
  }

  async #run(start: ExecStart): Promise<void> {
    const { run, why, notice } = this.#options;
    if (notice !== undefined) this.#output(FRAME.notice, notice);
    try {
      const { code, stdout, stderr, cut } = await run(start);
      this.#output(FRAME.stdout, stdout);
      this.#output(FRAME.stderr, stderr);
      if (cut !== undefined) this.#output(FRAME.stderr, `\ndevctl: ${cut}, since ${why.detail}\n`);
      this.#last(encodeJsonFrame(FRAME.exit, { code }));
    } catch (error) {
      const told =
        error instanceof DevctlError
          ? error
          : new DevctlError('unavailable', error instanceof Error ? error.message : String(error), { cause: error });
      this.#last(encodeJsonFrame(FRAME.error, told.toProblem()));
    }
  }

  #output(type: FrameType, text: string): void {
    if (this.#over) return;
    const bytes = Buffer.from(text);
    for (let at = 0; at < bytes.length; at += FRAME_CHUNK_BYTES) this.push(encodeFrame(type, bytes.subarray(at, at + FRAME_CHUNK_BYTES)));
  }

  #fail(what: string): void {
    const { detail, extra } = this.#options.why;
    this.#last(encodeJsonFrame(FRAME.error, new DevctlError('unsupported', `${what}: ${detail}`, extra).toProblem()));
  }

  #last(frame: Uint8Array): void {
    if (this.#over) return;
    this.#over = true;
    this.push(frame);
    this.push(null);
  }
}
