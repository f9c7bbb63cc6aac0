import { connect } from 'node:net';
import type { Duplex } from 'node:stream';
import { FORWARD_UPGRADE } from '../launcher/contract/agent-config.ts';
import { DevctlError } from '../launcher/contract/errors.ts';

const CONNECT_MS = 10_000;

/** Joins a connection with a port of this machine's loopback, whichever of its two addresses listens there. */
export function forwardPort(port: number, socket: Duplex, head: Uint8Array): void {
  if (!Number.isSafeInteger(port) || port < 1 || port > 65_535) {
    refuse(socket, new DevctlError('invalid_request', `${port} is no port`));
    return;
  }
  const target = connect({ host: 'localhost', port, autoSelectFamily: true, timeout: CONNECT_MS });
  const failed = (why: string) =>
    refuse(socket, new DevctlError('not_found', `nothing listens on port ${port} of the box (${why})`, { hint: 'start it there first' }));
  target.once('timeout', () => target.destroy(new Error('no answer')));
  target.once('error', (error: NodeJS.ErrnoException) => failed(error.code ?? error.message));
  socket.once('close', () => target.destroy());
  target.once('connect', () => {
    target.setTimeout(0);
    target.removeAllListeners('error').on('error', () => socket.destroy());
    target.once('close', () => socket.end());
    socket.write(`HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: ${FORWARD_UPGRADE}\r\n\r\n`);
    target.write(head);
    target.pipe(socket);
    socket.pipe(target);
  });
}

function refuse(socket: Duplex, error: DevctlError): void {
  const problem = error.toProblem();
  const body = JSON.stringify(problem);
  const headers = ['content-type: application/problem+json', `content-length: ${Buffer.byteLength(body)}`, 'connection: close'];
  socket.end(`HTTP/1.1 ${problem.status} ${problem.title}\r\n${headers.join('\r\n')}\r\n\r\n${body}`);
}
