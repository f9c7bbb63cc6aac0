import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Account } from '../../infra/commands/account.ts';
import { liftFailedCreation } from '../../infra/commands/failed-creation.ts';

let server: Server;
let stack: { status: string; isProtected: boolean } | null;
const forms: Record<string, string>[] = [];
const said: string[] = [];

beforeEach(async () => {
  forms.length = 0;
  said.length = 0;
  server = createServer(async (incoming, answer) => {
    const chunks: Buffer[] = [];
    for await (const chunk of incoming) chunks.push(chunk as Buffer);
    const form = Object.fromEntries(new URLSearchParams(Buffer.concat(chunks).toString()));
    if (form['Action'] !== 'DescribeStacks') {
      forms.push(form);
      answer.end('<x/>');
    } else if (stack === null) answer.writeHead(400).end('<Code>ValidationError</Code><Message>does not exist</Message>');
    else
      answer.end(
        `<StackStatus>${stack.status}</StackStatus><EnableTerminationProtection>${stack.isProtected}</EnableTerminationProtection>`,
      );
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
});
afterEach(() => {
  server.closeAllConnections();
  server.close();
});

const lift = () => {
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const credentials = async () => ({ accessKeyId: 'test', secretAccessKey: 'test' });
  const account = { query: { credentials, region: 'eu-central-1', endpoint } } as Account;
  return liftFailedCreation(account, { stack: 'devctl' }, (line) => void said.push(line));
};

it.each(['ROLLBACK_COMPLETE', 'ROLLBACK_FAILED', 'REVIEW_IN_PROGRESS'])(
  'the protection of a stack that is %s is lifted, and that is said',
  async (status) => {
    stack = { status, isProtected: true };
    await lift();
    expect(forms).toMatchObject([{ Action: 'UpdateTerminationProtection', StackName: 'devctl', EnableTerminationProtection: 'false' }]);
    expect(said).toEqual([expect.stringContaining(`stack devctl is ${status}`)]);
  },
);

it.each(['CREATE_COMPLETE', 'UPDATE_ROLLBACK_COMPLETE', 'UPDATE_ROLLBACK_FAILED', 'DELETE_FAILED'])(
  'that of one that is %s stays',
  async (status) => {
    stack = { status, isProtected: true };
    await lift();
    expect(forms).toEqual([]);
  },
);

it('nothing is done where there is no stack, or no protection', async () => {
  stack = null;
  await lift();
  stack = { status: 'ROLLBACK_COMPLETE', isProtected: false };
  await lift();
  expect(forms).toEqual([]);
  expect(said).toEqual([]);
});
