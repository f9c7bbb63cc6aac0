import { connect, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { FORWARD_UPGRADE } from '../launcher/contract/agent-config.ts';
import { DevctlError } from '../launcher/contract/errors.ts';

const CONNECT_MS = 10_000;
/** Programs listen on either; what `localhost` means is in the hands of the workload. */
const LOOPBACK = ['127.0.0.1', '::1'] as const;

/** Joins a connection with a port of this machine's loopback. */
export async function forwardPort(port: number, socket: Duplex, head: Uint8Array): Promise<void> {
  if (!Number.isSafeInteger(port) || port < 1 || port > 65_535) {
    refuse(socket, new DevctlError('invalid_request', `${port} is no port`));
    return;
  }
  const target = (await connected(port, LOOPBACK[0])) ?? (await connected(port, LOOPBACK[1]));
  if (target === null) {
    const hint = 'start what listens there first';
    refuse(socket, new DevctlError('not_found', `nothing listens on port ${port} of the box`, { hint }));
    return;
  }
  target.on('error', () => socket.destroy());
  target.once('close', () => socket.end());
  if (socket.destroyed) {
    target.destroy();
    return;
  }
  socket.once('close', () => target.destroy());
  socket.write(`HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: ${FORWARD_UPGRADE}\r\n\r\n`);
  if (head.length > 0) target.write(head);
  target.pipe(socket);
  socket.pipe(target);
}

/** Null when nobody answers there. */
function connected(port: number, host: string): Promise<Socket | null> {
  return new Promise((resolve) => {
    const target = connect({ host, port, timeout: CONNECT_MS });
    const none = () => {
      target.destroy();
      resolve(null);
    };
    target.once('timeout', none);
    target.once('error', none);
    target.once('connect', () => {
      target.setTimeout(0);
      target.off('timeout', none).off('error', none);
      resolve(target);
    });
  });
}

function refuse(socket: Duplex, error: DevctlError): void {
  const problem = error.toProblem();
  const body = JSON.stringify(problem);
  const headers = ['content-type: application/problem+json', `content-length: ${Buffer.byteLength(body)}`, 'connection: close'];
  socket.end(`HTTP/1.1 ${problem.status} ${problem.title}\r\n${headers.join('\r\n')}\r\n\r\n${body}`);
}
