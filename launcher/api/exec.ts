import type { Duplex } from 'node:stream';
import { DevctlError } from '../contract/errors.ts';
import { decodeJson, encodeFrame, encodeJsonFrame, FRAME, FRAME_CHUNK_BYTES, type Frame, FrameReader } from '../contract/exec-frames.ts';
import { type ExecExit, execExitSchema } from '../contract/exec-messages.ts';
import { problemSchema } from '../contract/problem.ts';
import { openBox } from './activity.ts';
import type { Call, Reply } from './operation.ts';

/** A box that does not end a killed command within this time is not waited for. */
const KILL_MS = 5000;

/** The first bytes of an output, up to a bound. */
class Capture {
  readonly #chunks: Buffer[] = [];
  #bytes = 0;
  truncated = false;

  constructor(readonly maxBytes: number) {}

  add(chunk: Uint8Array): void {
    const room = this.maxBytes - this.#bytes;
    if (chunk.length > room) this.truncated = true;
    if (room <= 0) return;
    const kept = Buffer.from(chunk.subarray(0, room));
    this.#chunks.push(kept);
    this.#bytes += kept.length;
  }

  text(): string {
    return Buffer.concat(this.#chunks).toString('utf8');
  }
}

function boxError(payload: Uint8Array): DevctlError {
  try {
    return DevctlError.fromProblem(problemSchema.parse(decodeJson(payload)));
  } catch {
    return new DevctlError('box_unreachable', 'the box answered with something that is no error of ours');
  }
}

/** Reads frames until the command is over. @throws DevctlError what the box said, or box_unreachable */
async function readToExit(stream: Duplex, onOutput: (frame: Frame) => void): Promise<ExecExit> {
  const reader = new FrameReader();
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    for (const frame of reader.push(chunk)) {
      if (frame.type === FRAME.exit) return execExitSchema.parse(decodeJson(frame.payload));
      if (frame.type === FRAME.error) throw boxError(frame.payload);
      onOutput(frame);
    }
  }
  throw new DevctlError('box_unreachable', 'the box hung up before the command had ended');
}

function sendInput(stream: Duplex, input: string): void {
  const bytes = Buffer.from(input);
  for (let at = 0; at < bytes.length; at += FRAME_CHUNK_BYTES)
    stream.write(encodeFrame(FRAME.stdin, bytes.subarray(at, at + FRAME_CHUNK_BYTES)));
  stream.write(encodeFrame(FRAME.stdinEnd));
}

/** Runs a command to its end, or to its time limit: then it is killed, and the answer says so. */
export async function exec(call: Call<'exec'>): Promise<Reply<'exec'>> {
  const { deps, body } = call;
  const { stdin, timeout, ...start } = body;
  const { box } = await openBox(call, call.params.id, { kind: 'api', detail: `exec ${body.argv[0] ?? ''}` });
  const stream = await deps.access.exec(box);
  const stdout = new Capture(deps.limits.execOutputBytes);
  const stderr = new Capture(deps.limits.execOutputBytes);
  let timedOut = false;
  let giveUp: NodeJS.Timeout | undefined;
  const kill = () => {
    stream.write(encodeJsonFrame(FRAME.signal, { signal: 'SIGKILL' }));
    giveUp = setTimeout(() => stream.destroy(), KILL_MS);
  };
  const timer = setTimeout(() => {
    timedOut = true;
    kill();
  }, timeout);
  try {
    stream.write(encodeJsonFrame(FRAME.start, start));
    sendInput(stream, stdin);
    call.signal.addEventListener('abort', kill, { once: true });
    // The caller may have left while the box was called: nothing tells of that any more.
    if (call.signal.aborted) kill();
    const exit = await readToExit(stream, (frame) => {
      if (frame.type === FRAME.stdout) stdout.add(frame.payload);
      if (frame.type === FRAME.stderr) stderr.add(frame.payload);
    });
    const truncated = stdout.truncated || stderr.truncated;
    return { body: { ...exit, stdout: stdout.text(), stderr: stderr.text(), truncated, timedOut } };
  } catch (error) {
    if (error instanceof DevctlError) throw error;
    throw new DevctlError('box_unreachable', 'the connection to the box broke', { cause: error });
  } finally {
    clearTimeout(timer);
    clearTimeout(giveUp);
    call.signal.removeEventListener('abort', kill);
    stream.destroy();
  }
}

/** A command or terminal over a WebSocket: opens the box's end; the server joins the two. */
export async function attach(call: Call<'attach'>): Promise<Response> {
  if (call.upgrade === null)
    throw new DevctlError('invalid_request', 'ask for an upgrade to a WebSocket', { hint: 'use devctl shell or devctl exec' });
  const { box, alive } = await openBox(call, call.params.id, { kind: 'connection', detail: 'terminal or command' });
  call.upgrade.stream = await call.deps.access.exec(box);
  call.upgrade.onInput = alive;
  return new Response(null, { status: 204 });
}
