import type { Caller, UpgradeSlot } from './operation.ts';

/** The longest that a timer can wait. */
const TIMER_MAX_MS = 2 ** 31 - 1;

/** A request that was let in before its token was revoked has opened its stream by then. */
const CUT_KEEP_MS = 600_000;

/** Streams that are open, by the token that they were opened with: they end with it. */
export class OpenStreams {
  readonly #byToken = new Map<string, Set<AbortController>>();
  /** Tokens that were revoked a moment ago, and when. */
  readonly #cutAtMs = new Map<string, number>();

  /** @returns aborted when the token is revoked through this process, or expires; `over` is to be called when the stream is over */
  open(caller: Caller, nowMs: number): { cut: AbortSignal; over: () => void } {
    const name = `${caller.owner} ${caller.tokenId}`;
    const control = new AbortController();
    const streams = this.#byToken.get(name) ?? new Set();
    this.#byToken.set(name, streams.add(control));
    if (this.#cutAtMs.has(name)) control.abort();
    const stopWaiting = caller.expiresAtMs === null ? () => {} : after(caller.expiresAtMs - nowMs, () => control.abort());
    const over = () => {
      stopWaiting();
      streams.delete(control);
      if (streams.size === 0 && this.#byToken.get(name) === streams) this.#byToken.delete(name);
    };
    return { cut: control.signal, over };
  }

  cut(owner: string, tokenId: string, nowMs: number): void {
    const name = `${owner} ${tokenId}`;
    for (const [other, atMs] of this.#cutAtMs) if (nowMs - atMs > CUT_KEEP_MS) this.#cutAtMs.delete(other);
    this.#cutAtMs.set(name, nowMs);
    for (const control of this.#byToken.get(name) ?? []) control.abort();
  }
}

/** Calls after any time, also one that is longer than a timer can wait. @returns to stop waiting */
function after(ms: number, call: () => void): () => void {
  let timer: NodeJS.Timeout;
  const wait = (leftMs: number): void => {
    const thisMs = Math.min(TIMER_MAX_MS, leftMs);
    timer = setTimeout(() => (leftMs > thisMs ? wait(leftMs - thisMs) : call()), thisMs).unref();
  };
  wait(ms);
  return () => clearTimeout(timer);
}

export interface Life {
  /** Aborted: it is to end at once. */
  cut: AbortSignal;
  /** Called when it has ended, however it did. */
  over: () => void;
  /** Called with the reason when it did not come to its end. */
  failed: (error: unknown) => void;
  upgrade: UpgradeSlot | null;
  /** Cuts the connection: what breaks off must not look like an end. Undefined where there is no connection. */
  hangUp: (() => void) | undefined;
}

/** Sees the answer of a stream through. One that breaks off is cut off: its client must not take it for whole. */
export async function stayOpen(life: Life, work: () => Promise<Response>): Promise<Response> {
  const { cut, over } = life;
  try {
    const response = await work();
    const frames = life.upgrade?.stream ?? null;
    if (frames !== null) {
      frames.once('close', over);
      cut.addEventListener('abort', () => frames.destroy(), { once: true });
      return response;
    }
    if (response.body !== null) return new Response(untilOver(response.body, life), response);
    over();
    return response;
  } catch (error) {
    over();
    throw error;
  }
}

function untilOver(body: ReadableStream<Uint8Array>, { cut, over, failed, hangUp }: Life): ReadableStream<Uint8Array> {
  const reader = body.getReader();
  cut.addEventListener('abort', () => void reader.cancel().catch(() => undefined), { once: true });
  let hasLeft = false;
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const { done, value } = await reader.read();
        // Its client has gone: that is no failure, and there is nobody to tell.
        if (hasLeft) return;
        if (cut.aborted) throw new Error('its token is not valid any more');
        if (!done) return controller.enqueue(value);
        over();
        controller.close();
      } catch (error) {
        over();
        if (hasLeft) return;
        failed(error);
        // The server would write the text of the error after what was sent, and end the answer as if it were whole.
        if (hangUp === undefined) return controller.error(error);
        hangUp();
        controller.close();
      }
    },
    async cancel(reason) {
      hasLeft = true;
      over();
      await reader.cancel(reason);
    },
  });
}
