import { describe, expect, it, vi } from 'vitest';
import type { Caller } from '../../../launcher/api/operation.ts';
import { OpenStreams, stayOpen } from '../../../launcher/api/streams.ts';

/** A stream that gives its first chunk, and then waits until it is let go or breaks. */
function waiting() {
  const told: string[] = [];
  let source: ReadableStreamDefaultController<Uint8Array> | undefined;
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      source = controller;
      controller.enqueue(new Uint8Array([1]));
    },
  });
  const life = {
    cut: new AbortController().signal,
    over: () => void told.push('over'),
    failed: (error: unknown) => void told.push(String(error)),
    upgrade: null,
    hangUp: () => void told.push('hung up'),
  };
  return { told, life, body, end: () => source?.close(), breakOff: () => source?.error(new Error('broken')) };
}

describe('streams of a token', () => {
  const caller = (expiresAtMs: number | null): Caller => ({ owner: 'dev', tokenId: 'tok_1', scopes: ['read'], expiresAtMs });

  it('end when it is revoked, also one that was let in before that and opened after it', () => {
    const streams = new OpenStreams();
    const early = streams.open(caller(null), 0);
    expect(early.cut.aborted).toBe(false);
    streams.cut('dev', 'tok_1', 0);
    expect([early.cut.aborted, streams.open(caller(null), 0).cut.aborted]).toEqual([true, true]);
    streams.cut('dev', 'tok_2', 3_600_000);
    expect(streams.open(caller(null), 3_600_000).cut.aborted).toBe(false);
  });

  it('end when it expires, and not before, however late that is', () => {
    vi.useFakeTimers();
    try {
      const dayMs = 86_400_000;
      const { cut } = new OpenStreams().open(caller(60 * dayMs), 0);
      vi.advanceTimersByTime(60 * dayMs - 1);
      expect(cut.aborted).toBe(false);
      vi.advanceTimersByTime(1);
      expect(cut.aborted).toBe(true);
    } finally {
      vi.useRealTimers();
    }
  });
});

describe('a stream', () => {
  it('whose client has gone is over, and has not failed', async () => {
    const { told, life, body, end } = waiting();
    const reader = (await stayOpen(life, async () => new Response(body))).body?.getReader();
    await reader?.read();
    await new Promise(setImmediate);
    // The end of the work and the leave of the client come from the same event, in this order.
    end();
    await reader?.cancel();
    await new Promise(setImmediate);
    expect(told).toContain('over');
    expect(told.filter((what) => what !== 'over')).toEqual([]);
  });

  it('that breaks off is told of, and hung up', async () => {
    const { told, life, body, breakOff } = waiting();
    const reader = (await stayOpen(life, async () => new Response(body))).body?.getReader();
    await reader?.read();
    breakOff();
    await reader?.read();
    expect(told).toEqual(['over', 'Error: broken', 'hung up']);
  });
});
