import type { Duplex } from 'node:stream';
import type WebSocket from 'ws';
import { type BaseUrl, currentUrl } from './http.ts';
import { CLIENT_LIMITS } from './limits.ts';
import { errorOfAnswer, errorOfConnection } from './problems.ts';
import { fillPath } from './wire.ts';

/**
 * How a command or terminal is reached. The one place to replace when another carrier than a WebSocket to the launcher
 * takes over: whatever carries it, the caller gets a byte stream of exec frames (contract/exec-frames) and speaks first.
 */
export interface ExecTransport {
  /** Loads what `open` will need. Optional to call: while something else is waited for. */
  prepare?(): Promise<unknown>;
  /**
   * Opens a stream to the box of a session. Ending the writable side says that no more input comes; destroying it hangs up.
   * @throws DevctlError not_found, wrong_phase, box_unreachable, unavailable
   */
  open(sessionId: string, signal?: AbortSignal): Promise<Duplex>;
}

interface WebSocketOptions {
  baseUrl: BaseUrl;
  token: () => string | undefined;
  userAgent: string;
}

/** Exec frames over a WebSocket to the launcher. */
export function webSocketTransport(options: WebSocketOptions): ExecTransport {
  return {
    prepare: () => import('ws'),
    async open(sessionId, signal) {
      const { default: WebSocketClient, createWebSocketStream } = await import('ws');
      signal?.throwIfAborted();
      const base = currentUrl(options.baseUrl);
      const url = new URL(base.pathname.replace(/\/+$/, '') + fillPath('attach', { id: sessionId }), base);
      url.protocol = base.protocol === 'https:' ? 'wss:' : 'ws:';
      const token = options.token();
      const socket = new WebSocketClient(url, {
        headers: { 'user-agent': options.userAgent, ...(token && { authorization: `Bearer ${token}` }) },
        perMessageDeflate: false,
        handshakeTimeout: CLIENT_LIMITS.connectMs,
        followRedirects: false,
      });
      await opened(socket, base.origin, signal);
      const stream = createWebSocketStream(socket);
      signal?.addEventListener('abort', () => stream.destroy(), { once: true });
      return stream;
    },
  };
}

/** Waits for the handshake. An error answer of the launcher becomes that error. */
function opened(socket: WebSocket, address: string, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      socket.terminate();
      reject(signal?.reason);
    };
    signal?.addEventListener('abort', stop, { once: true });
    const settle = (action: () => void) => {
      signal?.removeEventListener('abort', stop);
      action();
    };
    socket.once('open', () => settle(resolve));
    socket.on('error', (error) => settle(() => reject(errorOfConnection(error, address))));
    socket.once('unexpected-response', (request, response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.once('close', () => {
        const requestId = response.headers['x-request-id'];
        const id = typeof requestId === 'string' ? requestId : undefined;
        settle(() => reject(errorOfAnswer(response.statusCode ?? 0, Buffer.concat(chunks).toString('utf8'), id)));
        request.destroy();
      });
      response.once('error', (error) => settle(() => reject(errorOfConnection(error, address))));
    });
  });
}
