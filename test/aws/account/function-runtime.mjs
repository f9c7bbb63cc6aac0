// The process that Lambda runs a bundle in: `node function-runtime.mjs BUNDLE`. What it is to do comes from its parent, one event after the
// other; what it answers goes back there, each piece as it comes.
import { randomUUID } from 'node:crypto';
import { Writable } from 'node:stream';
import { finished } from 'node:stream/promises';

const tell = (message) => new Promise((resolve) => void process.send(message, resolve));

globalThis.awslambda = {
  streamifyResponse: (handler) => handler,
  HttpResponseStream: {
    from(stream, head) {
      void tell({ head });
      return stream;
    },
  },
};

const handlers = await import(process.argv[2]);

async function answered(event, context) {
  const stream = new Writable({ write: (chunk, _, done) => void tell({ chunk: chunk.toString('base64') }).then(() => done()) });
  const ended = finished(stream);
  await handlers.api(event, stream, context);
  await ended;
}

process.on('message', async ({ handler, event, timeoutMs }) => {
  const endMs = Date.now() + timeoutMs;
  const context = { awsRequestId: randomUUID(), getRemainingTimeInMillis: () => Math.max(0, endMs - Date.now()) };
  try {
    await (handler === 'api' ? answered(event, context) : handlers.events(event, context));
    await tell({ ended: null });
  } catch (error) {
    await tell({ ended: String(error?.stack ?? error) });
  }
});
await tell({ ready: true });
