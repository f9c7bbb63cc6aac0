import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { BoxAgent } from '../../../launcher/providers/agent/agent.ts';

describe('what answers in the place of an agent', () => {
  let server: Server;
  afterEach(() => void server.close());

  it.each([
    ['does not let its launcher in yet', 401, '', /does not know this launcher yet/],
    ['is no agent', 404, '<html>', /404/],
    ['sends no JSON', 200, 'moo', /no JSON/],
    ['sends no report', 200, '{}', /unexpected/],
  ])('one that %s is tried again', async (_what, status, body, message) => {
    server = createServer((incoming, answer) => {
      incoming.resume();
      answer.writeHead(status, { connection: 'close' }).end(body);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const agent = new BoxAgent(
      { connect: async () => connect((server.address() as AddressInfo).port, '127.0.0.1') },
      { answerTimeoutMs: 5000 },
    );
    await expect(agent.quiesce('op', 5000)).rejects.toMatchObject({
      name: 'ComputeError',
      kind: 'transient',
      message: expect.stringMatching(message),
    });
  });
});
