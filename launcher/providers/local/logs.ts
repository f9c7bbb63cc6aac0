import { type FileHandle, open } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';

const CHUNK_BYTES = 64 * 1024;
const TAIL_MAX_BYTES = 8 * 1024 * 1024;
const FOLLOW_POLL_MS = 150;

/** The last lines of a log file; with `follow` what is added, too, until `isOver`. */
export function boxLogs(path: string, options: { tailLines: number; follow: boolean }, isOver: () => boolean): Readable {
  return Readable.from(readLog(path, options, isOver), { objectMode: false });
}

async function* readLog(
  path: string,
  { tailLines, follow }: { tailLines: number; follow: boolean },
  isOver: () => boolean,
): AsyncGenerator<Buffer> {
  const file = await open(path, 'r');
  try {
    let position = await tailStart(file, tailLines);
    for (;;) {
      // Asked before reading: what was written up to then is read for certain.
      const over = !follow || isOver();
      for (;;) {
        const { bytesRead, buffer } = await file.read(Buffer.alloc(CHUNK_BYTES), 0, CHUNK_BYTES, position);
        if (bytesRead === 0) break;
        position += bytesRead;
        yield buffer.subarray(0, bytesRead);
      }
      if (over) return;
      await sleep(FOLLOW_POLL_MS);
    }
  } finally {
    await file.close();
  }
}

/** Offset at which the last `lines` lines begin, looking at most TAIL_MAX_BYTES back. */
async function tailStart(file: FileHandle, lines: number): Promise<number> {
  const { size } = await file.stat();
  let missing = lines;
  for (let end = size; end > 0 && size - end < TAIL_MAX_BYTES; ) {
    const start = Math.max(0, end - CHUNK_BYTES);
    const { buffer } = await file.read(Buffer.alloc(end - start), 0, end - start, start);
    for (let index = buffer.length - 1; index >= 0; index -= 1) {
      // The line feed that ends the file begins no line.
      if (buffer[index] !== 10 || start + index === size - 1) continue;
      missing -= 1;
      if (missing <= 0) return start + index + 1;
    }
    end = start;
  }
  return lines === 0 ? size : Math.max(0, size - TAIL_MAX_BYTES);
}
