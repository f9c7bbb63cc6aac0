import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { AccountApi } from '../../../launcher/providers/ec2/api.ts';
import { connectAws } from '../../../launcher/providers/ec2/sdk-api.ts';

interface Answer {
  status?: number;
  headers?: Record<string, string>;
  body: string;
}

/** Answers as the API references of STS, IAM, Service Quotas and Lambda print them. */
describe('questions about the account', () => {
  let server: Server;
  let account: AccountApi;
  let close: () => void;
  let answers: Answer[] = [];
  let asked: Array<{ request: IncomingMessage; body: string }> = [];
  beforeEach(async () => {
    answers = [];
    asked = [];
    server = createServer(async (request, response) => {
      let body = '';
      for await (const chunk of request) body += String(chunk);
      asked.push({ request, body });
      const { status = 200, headers = {}, body: text } = answers.shift() ?? { status: 500, body: 'nothing to answer' };
      response.writeHead(status, headers).end(text);
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const credentials = { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'never-sent', sessionToken: 'session-token' };
    const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    ({ account, close } = connectAws({ region: 'eu-central-1', endpoint, credentials }));
  });
  afterEach(() => {
    close();
    server.closeAllConnections();
    server.close();
  });
  const iamError = (code: string) => ({
    status: 404,
    body: `<ErrorResponse><Error><Type>Sender</Type><Code>${code}</Code><Message>The role cannot be found.</Message></Error></ErrorResponse>`,
  });
  const jsonError = (type: string, message: string) => ({ status: 400, body: JSON.stringify({ __type: type, Message: message }) });

  it('is signed for the service and the region, with the session token, and never has the secret in it', async () => {
    answers = [
      {
        body: '<GetCallerIdentityResult><Arn>arn:aws:iam::123456789012:user/Alice</Arn><Account>123456789012</Account></GetCallerIdentityResult>',
      },
      { body: '<GetRoleResponse/>' },
    ];
    expect(await account.callerIdentity()).toEqual({ accountId: '123456789012', arn: 'arn:aws:iam::123456789012:user/Alice' });
    await account.hasRole('AWSServiceRoleForEC2Spot');
    const [sts, iam] = asked.map(({ request }) => request.headers);
    expect(sts?.authorization).toMatch(/^AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE\/\d{8}\/eu-central-1\/sts\/aws4_request/);
    // IAM is signed for one region of the partition, wherever it is asked from.
    expect(iam?.authorization).toMatch(/\/us-east-1\/iam\/aws4_request/);
    expect(sts?.['x-amz-security-token']).toBe('session-token');
    expect(asked.map(({ body }) => body)).toEqual([
      'Version=2011-06-15&Action=GetCallerIdentity',
      'Version=2010-05-08&Action=GetRole&RoleName=AWSServiceRoleForEC2Spot',
    ]);
    expect(JSON.stringify(asked.map(({ request, body }) => [request.rawHeaders, body]))).not.toContain('never-sent');
  });

  it('a quota that was raised, and one that everybody has', async () => {
    answers = [
      { body: JSON.stringify({ Quota: { QuotaCode: 'L-34B43A08', Value: 64.0 } }) },
      jsonError('NoSuchResourceException', 'The request failed because the specified quota does not exist.'),
      { body: JSON.stringify({ Quota: { QuotaCode: 'L-34B43A08', Value: 5 } }) },
    ];
    expect([await account.ec2Quota('L-34B43A08'), await account.ec2Quota('L-34B43A08')]).toEqual([64, 5]);
    expect(asked.map(({ request }) => request.headers['x-amz-target'])).toEqual([
      'ServiceQuotasV20190624.GetServiceQuota',
      'ServiceQuotasV20190624.GetServiceQuota',
      'ServiceQuotasV20190624.GetAWSDefaultServiceQuota',
    ]);
    expect(JSON.parse(asked[0]?.body ?? '')).toEqual({ ServiceCode: 'ec2', QuotaCode: 'L-34B43A08' });
  });

  it('an answer without a value is no quota of nothing', async () => {
    answers = [{ body: '{"Quota":{}}' }];
    await expect(account.ec2Quota('L-1')).rejects.toThrow('the answer about quota L-1 has no value');
  });

  it('roles and profiles, there or not', async () => {
    const profile = '<InstanceProfile><Roles><member><RoleName>box</RoleName></member></Roles></InstanceProfile>';
    answers = [
      iamError('NoSuchEntity'),
      { body: profile },
      { body: '<InstanceProfile><Roles/></InstanceProfile>' },
      iamError('NoSuchEntity'),
    ];
    expect(await account.hasRole('none')).toBe(false);
    expect([await account.rolesOfProfile('a'), await account.rolesOfProfile('b'), await account.rolesOfProfile('c')]).toEqual([
      ['box'],
      [],
      null,
    ]);
  });

  it('the state of a function, by name or address', async () => {
    const arn = 'arn:aws:lambda:eu-central-1:123456789012:function:devctl';
    answers = [
      { body: JSON.stringify({ State: 'Pending', LastUpdateStatus: 'InProgress', StateReason: 'The function is being created.' }) },
      {
        status: 404,
        headers: { 'x-amzn-errortype': 'ResourceNotFoundException:http://internal/' },
        body: '{"Message":"Function not found"}',
      },
    ];
    expect(await account.functionState(arn)).toEqual({ state: 'Pending', update: 'InProgress', reason: 'The function is being created.' });
    expect(await account.functionState('none')).toBeNull();
    expect(asked[0]?.request.url).toBe(`/2015-03-31/functions/${encodeURIComponent(arn)}/configuration`);
  });

  it('a refusal has the code and the words of AWS, however they are sent', async () => {
    answers = [
      iamError('AccessDenied'),
      jsonError('com.amazonaws.servicequotas#AccessDeniedException', 'User is not authorized'),
      { status: 403, headers: { 'x-amzn-errortype': 'AccessDeniedException' }, body: '{"message":"not this function"}' },
      { status: 502, body: '<html>a proxy</html>' },
    ];
    await expect(account.hasRole('x')).rejects.toMatchObject({ name: 'AccessDenied', message: 'The role cannot be found.' });
    await expect(account.ec2Quota('x')).rejects.toMatchObject({ name: 'AccessDeniedException', message: 'User is not authorized' });
    await expect(account.functionState('x')).rejects.toMatchObject({ name: 'AccessDeniedException', message: 'not this function' });
    await expect(account.callerIdentity()).rejects.toMatchObject({ name: 'Http502', $metadata: { httpStatusCode: 502 } });
  });

  it('the time is that of the Date header, and is asked without credentials', async () => {
    answers = [{ status: 302, headers: { date: 'Thu, 01 Jan 2026 00:00:00 GMT', location: 'https://aws.amazon.com/iam' }, body: '' }];
    expect(await account.serverTime()).toBe(Date.UTC(2026, 0, 1));
    expect(asked[0]?.request.headers.authorization).toBeUndefined();
  });

  it('the name of an issuer is what its own document says', async () => {
    const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    answers = [{ body: JSON.stringify({ issuer: 'https://other', jwks_uri: 'https://other/keys' }) }, { status: 404, body: 'no' }];
    expect(await account.issuerAt(`${address}/`)).toBe('https://other');
    expect(asked[0]?.request.url).toBe('/.well-known/openid-configuration');
    expect(asked[0]?.request.headers.authorization).toBeUndefined();
    await expect(account.issuerAt(address)).rejects.toThrow('answered HTTP 404');
  });

  it('says why nobody was reached', async () => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
    await expect(account.callerIdentity()).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  });
});
