import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createFunctionApi, type FunctionApi } from '../../../launcher/providers/ec2/function-api.ts';
import { Sha256 } from '../../support/function-url.ts';

/** Answers as the API references of Lambda and Secrets Manager print them. */
describe('what a function asks of its surroundings', () => {
  let server: Server;
  let api: FunctionApi;
  let answers: Array<{ status: number; type?: string; body?: string }> = [];
  let asked: Array<{ request: IncomingMessage; body: string }> = [];
  beforeEach(async () => {
    answers = [];
    asked = [];
    server = createServer(async (request, response) => {
      let body = '';
      for await (const chunk of request) body += String(chunk);
      asked.push({ request, body });
      const { status, type, body: text = '' } = answers.shift() ?? { status: 500 };
      response.writeHead(status, type === undefined ? {} : { 'x-amzn-errortype': type }).end(text);
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    api = createFunctionApi({
      region: 'eu-central-1',
      endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      credentials: { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'never-sent', sessionToken: 'session-token' },
      sha256: Sha256,
    });
  });
  afterEach(() => {
    server.closeAllConnections();
    server.close();
  });

  it('a function is run later: it is not waited for', async () => {
    answers = [{ status: 202 }];
    await api.invokeLater('devctl-events', { devctl: 'look', owner: 'AROAX:bob@example.com', id: 'ses_1' });
    const [{ request, body }] = asked as [(typeof asked)[number]];
    expect([request.method, request.url]).toEqual(['POST', '/2015-03-31/functions/devctl-events/invocations']);
    expect(request.headers['x-amz-invocation-type']).toBe('Event');
    expect(request.headers.authorization).toMatch(/Credential=AKIDEXAMPLE\/\d{8}\/eu-central-1\/lambda\/aws4_request/);
    expect(JSON.parse(body)).toEqual({ devctl: 'look', owner: 'AROAX:bob@example.com', id: 'ses_1' });
  });

  it('what may pass is asked again, what is refused is not', async () => {
    answers = [{ status: 429, type: 'TooManyRequestsException' }, { status: 503, type: 'ServiceException' }, { status: 202 }];
    await api.invokeLater('devctl-events', {});
    expect(asked).toHaveLength(3);
    answers = [{ status: 403, type: 'AccessDeniedException' }];
    await expect(api.invokeLater('devctl-events', {})).rejects.toMatchObject({ name: 'AccessDeniedException' });
    expect(asked).toHaveLength(4);
    await expect(api.invokeLater('devctl-events', {})).rejects.toMatchObject({ $metadata: { httpStatusCode: 500 } });
    expect(asked).toHaveLength(7);
  });

  it('a secret is a text', async () => {
    answers = [
      { status: 200, body: '{"SecretString":"shh"}' },
      { status: 200, body: '{"SecretBinary":"c2ho"}' },
    ];
    expect(await api.secretText('arn:aws:secretsmanager:x')).toBe('shh');
    await expect(api.secretText('arn:aws:secretsmanager:x')).rejects.toThrow('is no text');
    expect(asked[0]?.request.headers['x-amz-target']).toBe('secretsmanager.GetSecretValue');
  });
});
