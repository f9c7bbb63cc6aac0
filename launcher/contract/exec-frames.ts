/**
 * What travels between a client, the launcher and a box while a command or terminal runs: a byte stream of frames in
 * both directions, over any transport that keeps order (WebSocket, unix socket, later Session Manager).
 * A frame is one byte of type, four bytes of big-endian payload length, then the payload.
 * The client speaks first, with `start`.
 */
export const FRAME = {
  start: 1,
  stdin: 2,
  stdinEnd: 3,
  resize: 4,
  signal: 5,
  stdout: 6,
  stderr: 7,
  exit: 8,
  error: 9,
  notice: 10,
} as const;
export type FrameType = (typeof FRAME)[keyof typeof FRAME];

/** Largest payload of a frame in bytes; a longer one is a protocol error. Writers split at 64 KiB. */
export const FRAME_PAYLOAD_MAX_BYTES = 1024 * 1024;
export const FRAME_CHUNK_BYTES = 64 * 1024;
const HEADER_BYTES = 5;

export interface Frame {
  type: FrameType;
  payload: Uint8Array;
}

/** One frame as bytes. The caller keeps payloads within FRAME_PAYLOAD_MAX_BYTES. */
export function encodeFrame(type: FrameType, payload: Uint8Array = new Uint8Array(0)): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES + payload.length);
  bytes[0] = type;
  new DataView(bytes.buffer).setUint32(1, payload.length);
  bytes.set(payload, HEADER_BYTES);
  return bytes;
}

export const encodeJsonFrame = (type: FrameType, value: unknown): Uint8Array =>
  encodeFrame(type, new TextEncoder().encode(JSON.stringify(value)));

export const decodeJson = (payload: Uint8Array): unknown => JSON.parse(new TextDecoder().decode(payload));

const FRAME_TYPES: ReadonlySet<number> = new Set(Object.values(FRAME));

/** Cuts a byte stream into frames. `push` throws RangeError on an unknown type or a payload over the limit. */
export class FrameReader {
  #pending = new Uint8Array(0);

  push(chunk: Uint8Array): Frame[] {
    let bytes = chunk;
    if (this.#pending.length > 0) {
      bytes = new Uint8Array(this.#pending.length + chunk.length);
      bytes.set(this.#pending);
      bytes.set(chunk, this.#pending.length);
    }
    const frames: Frame[] = [];
    let offset = 0;
    while (bytes.length - offset >= HEADER_BYTES) {
      const type = bytes[offset] as number;
      const length = new DataView(bytes.buffer, bytes.byteOffset + offset).getUint32(1);
      if (!FRAME_TYPES.has(type)) throw new RangeError(`unknown frame type ${type}`);
      if (length > FRAME_PAYLOAD_MAX_BYTES) throw new RangeError(`frame of ${length} bytes is over ${FRAME_PAYLOAD_MAX_BYTES}`);
      if (bytes.length - offset - HEADER_BYTES < length) break;
      const start = offset + HEADER_BYTES;
      frames.push({ type: type as FrameType, payload: bytes.slice(start, start + length) });
      offset = start + length;
    }
    this.#pending = bytes.slice(offset);
    return frames;
  }
}
