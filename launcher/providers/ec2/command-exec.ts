import { Duplex } from 'node:stream';
import { COMMAND_OUTPUT_MAX_CHARS } from '../../contract/agent-config.ts';
import { DevctlError } from '../../contract/errors.ts';
import {
  decodeJson,
  encodeFrame,
  encodeJsonFrame,
  FRAME,
  FRAME_CHUNK_BYTES,
  FrameReader,
  type FrameType,
} from '../../contract/exec-frames.ts';
import { type ExecStart, execStartSchema } from '../../contract/exec-messages.ts';
import { ComputeError } from '../../ports/compute.ts';
import { AGENT_COMMAND, type Commands } from './commands.ts';

const START_MAX_CHARS = 64_000;

/**
 * A stream of exec frames whose command runs by SendCommand: it has no terminal and no input, its output comes at its end, and
 * of that no more than AWS tells.
 */
export class CommandExec extends Duplex {
  readonly #commands: Commands;
  readonly #boxId: string;
  readonly #why: DevctlError;
  readonly #withinMs: number;
  readonly #reader = new FrameReader();
  #begun = false;
  /** The last frame has been pushed: what the command still says is told to nobody. */
  #over = false;

  /** @param why there is no better way: for what this one cannot do */
  constructor(commands: Commands, boxId: string, why: DevctlError, withinMs: number) {
    super();
    this.#commands = commands;
    this.#boxId = boxId;
    this.#why = why;
    this.#withinMs = withinMs;
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
    try {
      const packed = Buffer.from(JSON.stringify(start)).toString('base64');
      if (packed.length > START_MAX_CHARS) return this.#fail(`a command has ${START_MAX_CHARS} characters at most this way`);
      const { code, stdout, stderr } = await this.#commands.run(this.#boxId, `${AGENT_COMMAND} exec ${packed}`, this.#withinMs);
      this.#output(FRAME.stdout, stdout);
      this.#output(FRAME.stderr, stderr);
      if (Math.max(stdout.length, stderr.length) >= COMMAND_OUTPUT_MAX_CHARS)
        this.#output(FRAME.stderr, `\ndevctl: the output is cut at ${COMMAND_OUTPUT_MAX_CHARS} characters, since ${this.#why.detail}\n`);
      this.#last(encodeJsonFrame(FRAME.exit, { code }));
    } catch (error) {
      const told =
        error instanceof ComputeError
          ? new DevctlError('box_unreachable', error.message, { cause: error })
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
    const { detail, extra } = this.#why;
    this.#last(encodeJsonFrame(FRAME.error, new DevctlError('unsupported', `${what}: ${detail}`, extra).toProblem()));
  }

  #last(frame: Uint8Array): void {
    if (this.#over) return;
    this.#over = true;
    this.push(frame);
    this.push(null);
  }
}
