import type { ClassicLevel } from 'classic-level';
import { describe, expect, it } from 'vitest';
import { LogWriter, type Write } from '../../../launcher/stores/embedded/log-writer.ts';

const put = (key: string): Write[] => [{ type: 'put', key, value: 'x' }];

/** A database that keeps what it is given, and can be told to fail and to be slow. */
class FakeLevel {
  readonly calls: string[] = [];
  readonly rows = new Map<string, string>();
  failBatches = 0;
  failOpens = 0;
  #gate: Promise<void> | null = null;

  /** Batches wait until the returned function is called. */
  hold(): () => void {
    let open = (): void => {};
    this.#gate = new Promise((resolve) => {
      open = resolve;
    });
    return () => {
      this.#gate = null;
      open();
    };
  }

  async batch(writes: Write[]): Promise<void> {
    this.calls.push(`batch ${writes.map((write) => write.key).join(',')}`);
    await this.#gate;
    if (this.failBatches > 0) {
      this.failBatches -= 1;
      throw new Error('No space left on device');
    }
    for (const write of writes) if (write.type === 'put') this.rows.set(write.key, write.value);
  }

  async close(): Promise<void> {
    this.calls.push('close');
  }

  async open(): Promise<void> {
    this.calls.push('open');
    if (this.failOpens > 0) {
      this.failOpens -= 1;
      throw new Error('still no space');
    }
  }
}

const writerOn = (level: FakeLevel): LogWriter => new LogWriter(level as unknown as ClassicLevel<string, string>, true);

describe('LogWriter', () => {
  it('gathers what comes while a batch is under way into the next one, in order', async () => {
    const level = new FakeLevel();
    const writer = writerOn(level);
    const go = level.hold();
    const written = [put('a'), put('b'), put('c')].map((writes) => writer.write(writes));
    go();
    await Promise.all(written);
    expect(level.calls).toEqual(['batch a', 'batch b,c']);
    expect([...level.rows.keys()]).toEqual(['a', 'b', 'c']);
  });

  it('writes nothing behind a failed write until the database was opened anew', async () => {
    const level = new FakeLevel();
    const writer = writerOn(level);
    const go = level.hold();
    level.failBatches = 1;
    const outcomes = Promise.allSettled([put('a'), put('b'), put('c')].map((writes) => writer.write(writes)));
    go();
    expect((await outcomes).map((outcome) => outcome.status)).toEqual(['rejected', 'rejected', 'rejected']);
    await expect(writer.write(put('d'))).rejects.toThrow('a write before this one failed');
    expect(level.calls).toEqual(['batch a']);
    await writer.ready();
    await writer.write(put('e'));
    expect(level.calls).toEqual(['batch a', 'close', 'open', 'batch e']);
    expect([...level.rows.keys()]).toEqual(['e']);
  });

  it('is not ready while opening anew fails, opens once for many that ask, and asks nothing of a sound database', async () => {
    const level = new FakeLevel();
    const writer = writerOn(level);
    await writer.ready();
    level.failBatches = 1;
    await expect(writer.write(put('a'))).rejects.toThrow('No space left');
    level.failOpens = 1;
    const outcomes = await Promise.allSettled([writer.ready(), writer.ready()]);
    expect(outcomes.map((outcome) => outcome.status)).toEqual(['rejected', 'rejected']);
    await Promise.all([writer.ready(), writer.ready()]);
    await writer.ready();
    expect(level.calls).toEqual(['batch a', 'close', 'open', 'close', 'open']);
  });
});
