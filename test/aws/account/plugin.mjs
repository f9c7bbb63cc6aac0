#!/usr/bin/env node
// Stands for session-manager-plugin: it says what that says, and forwards to where the account told it to (StreamUrl), instead of
// speaking the protocol of Session Manager.
import { existsSync } from 'node:fs';
import { connect, createServer } from 'node:net';

if (process.argv[2] === '--version') {
  process.stdout.write('1.2.707.0\n');
  process.exit(0);
}
const { SessionId, StreamUrl, TokenValue } = JSON.parse(process.env[process.argv[2]] ?? '{}');
const target = new URL(StreamUrl);
/** Who started it may have been killed: it goes with the account, whose folder it is in, as a session goes with its machine. */
const LOOK_MS = 1000;
setInterval(() => existsSync(process.argv[1]) || process.exit(0), LOOK_MS);
if (!TokenValue) throw new Error('there is no token');
const server = createServer((socket) => {
  const onward = connect(Number(target.port), target.hostname);
  for (const [one, other] of [
    [socket, onward],
    [onward, socket],
  ]) {
    one.pipe(other);
    one.on('error', () => other.destroy());
    one.on('close', () => other.destroy());
  }
});
server.listen(0, '127.0.0.1', () => {
  process.stdout.write(`\nStarting session with SessionId: ${SessionId}\n`);
  process.stdout.write(`Port ${server.address().port} opened for sessionId ${SessionId}.\nWaiting for connections...\n`);
});
