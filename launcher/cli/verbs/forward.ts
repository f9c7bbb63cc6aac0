import { createServer, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { DevctlError } from '../../contract/errors.ts';
import { reasonOf } from '../../contract/system-errors.ts';
import type { Cli } from '../cli.ts';
import { json } from '../output.ts';
import { clientFor, needSession } from '../refs.ts';
import { INTERRUPTED } from '../report.ts';
import { UsageError } from '../usage-error.ts';
import type { Run } from '../verb.ts';

/** A port of a box, and the one of this machine that leads there; 0: any that is free. */
interface Pair {
  port: number;
  local: number;
}

const PAIR = /^(\d{1,5})(?::(\d{1,5}))?$/;

function readPair(word: string): Pair {
  const [, port = '', local = port] = PAIR.exec(word) ?? [];
  const pair = { port: Number(port), local: Number(local) };
  if (port === '' || pair.port < 1 || pair.port > 65_535 || pair.local > 65_535)
    throw new UsageError(`${JSON.stringify(word)} is not a port`, 'write 3000, or 3000:8080 for port 8080 of this machine');
  return pair;
}

/** Listens on loopback, and joins each connection with one to the box. @returns the port it listens on */
function listen(cli: Cli, { port, local }: Pair, open: (port: number) => Promise<Duplex>): Promise<number> {
  const server = createServer((socket) => void join(cli, socket, () => open(port)));
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      reject(
        new DevctlError(error.code === 'EADDRINUSE' ? 'in_use' : 'unavailable', `port ${local} of this machine: ${reasonOf(error)}`, {
          hint: `write ${port}:0 for any port that is free`,
        }),
      ),
    );
    server.listen(local, '127.0.0.1', () => resolve((server.address() as { port: number }).port));
  });
}

async function join(cli: Cli, socket: Socket, open: () => Promise<Duplex>): Promise<void> {
  socket.on('error', () => socket.destroy());
  try {
    const box = await open();
    box.on('error', () => socket.destroy());
    box.once('close', () => socket.destroy());
    socket.once('close', () => box.destroy());
    socket.pipe(box);
    box.pipe(socket);
  } catch (error) {
    cli.warn(error instanceof Error ? error.message : String(error));
    socket.destroy();
  }
}

export const run: Run = async (cli, { args }) => {
  const [first, ...others] = args;
  const isPort = first === undefined || PAIR.test(first);
  const pairs = (isPort ? args : others).map(readPair);
  const ref = isPort ? undefined : first;
  if (pairs.length === 0) throw new UsageError('there is no port', 'write devctl forward 3000, or devctl forward shop 3000');
  const client = await clientFor(cli, ref);
  client.prepareAttach();
  const session = await needSession(cli, client, ref);
  const open = await client.forward(session.id);
  const told: Pair[] = [];
  for (const pair of pairs) told.push({ port: pair.port, local: await listen(cli, pair, open) });
  cli.print(
    cli.form === 'json'
      ? json(told)
      : told.map(({ port, local }) => `localhost:${local} leads to port ${port} of ${session.workspace}\n`).join(''),
  );
  cli.say('until Ctrl-C');
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => resolve(INTERRUPTED));
  });
};
