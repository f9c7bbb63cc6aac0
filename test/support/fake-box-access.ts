import { type Duplex, duplexPair, Readable } from 'node:stream';
import { DevctlError } from '../../launcher/contract/errors.ts';
import { decodeJson, encodeFrame, encodeJsonFrame, FRAME, FrameReader } from '../../launcher/contract/exec-frames.ts';
import type { ExecStart } from '../../launcher/contract/exec-messages.ts';
import type { AccessPort } from '../../launcher/ports/access.ts';
import type { BoxRef } from '../../launcher/ports/compute.ts';

type Op = 'exec' | 'putFiles' | 'getFiles' | 'importSource' | 'logs';

const textOf = (payload: Uint8Array): string => Buffer.from(payload).toString();

/**
 * The inside of boxes: files that were put in can be got out again, commands are a few words of a small language, and each
 * call is written down. `fail` makes the next call of a kind fail.
 */
export class FakeBoxAccess implements AccessPort {
  readonly calls: Array<{ op: Op | 'poke'; box: BoxRef; path?: string }> = [];
  readonly files = new Map<string, Buffer>();
  readonly imported = new Map<string, Buffer>();
  /** Commands that are running now. */
  readonly running = new Set<Duplex>();
  onPoke: (box: BoxRef) => void = () => {};
  readonly #failures = new Map<Op, Error[]>();

  fail(op: Op, error: Error): void {
    this.#failures.set(op, [...(this.#failures.get(op) ?? []), error]);
  }

  #begin(op: Op, box: BoxRef, path?: string): void {
    this.calls.push({ op, box, ...(path !== undefined && { path }) });
    const error = this.#failures.get(op)?.shift();
    if (error) throw error;
  }

  async exec(box: BoxRef): Promise<Duplex> {
    this.#begin('exec', box);
    const [launcher, agent] = duplexPair();
    this.running.add(agent);
    agent.once('close', () => this.running.delete(agent));
    agent.on('error', () => undefined);
    launcher.once('close', () => agent.destroy());
    new FakeCommand(agent);
    return launcher;
  }

  async putFiles(box: BoxRef, path: string, tar: Readable): Promise<{ files: number; bytes: number }> {
    this.#begin('putFiles', box, path);
    const bytes = await readAll(tar);
    this.files.set(path, bytes);
    return { files: 1, bytes: bytes.length };
  }

  async getFiles(box: BoxRef, path: string): Promise<Readable> {
    this.#begin('getFiles', box, path);
    const bytes = this.files.get(path);
    if (bytes === undefined) throw new DevctlError('not_found', `there is no ${path} in the box`);
    return Readable.from([bytes]);
  }

  async importSource(box: BoxRef, tar: Readable): Promise<{ files: number; bytes: number }> {
    this.#begin('importSource', box);
    if (this.imported.has(box.sessionId)) throw new DevctlError('workspace_not_empty', 'there are files');
    const bytes = await readAll(tar);
    this.imported.set(box.sessionId, bytes);
    return { files: 1, bytes: bytes.length };
  }

  async logs(box: BoxRef, options: { tailLines: number; follow: boolean }): Promise<Readable> {
    this.#begin('logs', box);
    return Readable.from([`log of ${box.boxId}\n`, `last ${options.tailLines}\n`]);
  }

  async poke(box: BoxRef): Promise<void> {
    this.calls.push({ op: 'poke', box });
    this.onPoke(box);
  }
}

async function readAll(stream: Readable): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** `cat` gives its input back, `flood N` prints N bytes, `sleep` waits for a signal, `refuse` is an error of the box, `hang-up` leaves. */
class FakeCommand {
  readonly #stream: Duplex;
  readonly #reader = new FrameReader();
  #start: ExecStart | null = null;
  #input = '';

  constructor(stream: Duplex) {
    this.#stream = stream;
    stream.on('data', (chunk: Buffer) => {
      for (const frame of this.#reader.push(chunk)) this.#on(frame.type, frame.payload);
    });
  }

  #on(type: number, payload: Uint8Array): void {
    if (type === FRAME.start) {
      this.#start = decodeJson(payload) as ExecStart;
      this.#begin();
    } else if (type === FRAME.stdin) {
      this.#input += textOf(payload);
      if (this.#start?.argv[0] === 'echo-lines') this.#stream.write(encodeFrame(FRAME.stdout, payload));
    } else if (type === FRAME.stdinEnd && this.#start?.argv[0] === 'cat') {
      this.#stream.write(encodeFrame(FRAME.stdout, Buffer.from(this.#input)));
      this.#exit(0);
    } else if (type === FRAME.signal) {
      this.#stream.write(encodeJsonFrame(FRAME.exit, { code: 137, signal: (decodeJson(payload) as { signal: string }).signal }));
      this.#stream.end();
    }
  }

  #begin(): void {
    const [name, argument = ''] = this.#start?.argv ?? [];
    if (name === 'flood') this.#flood(Number(argument));
    if (name === 'refuse')
      this.#stream.end(encodeJsonFrame(FRAME.error, new DevctlError('not_found', 'there is no such folder').toProblem()));
    if (name === 'garbage') this.#stream.end(Buffer.from([99, 0, 0, 0, 0]));
    if (name === 'bad-error') this.#stream.end(encodeFrame(FRAME.error, Buffer.from('what')));
    if (name === 'hang-up') this.#stream.end();
    if (name === 'both') {
      this.#stream.write(encodeFrame(FRAME.stdout, Buffer.from('out')));
      this.#stream.write(encodeFrame(FRAME.stderr, Buffer.from('err')));
      this.#exit(Number(argument));
    }
  }

  #flood(bytes: number): void {
    const chunk = Buffer.alloc(65_536, 'x');
    for (let sent = 0; sent < bytes; sent += chunk.length) this.#stream.write(encodeFrame(FRAME.stdout, chunk));
    this.#exit(0);
  }

  #exit(code: number): void {
    this.#stream.end(encodeJsonFrame(FRAME.exit, { code }));
  }
}
