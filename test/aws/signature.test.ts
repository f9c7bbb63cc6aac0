import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { bySignature, networkLink, regionOfFunction } from '../../agent-bootstrap/ec2/network-link.ts';

const OWN = fileURLToPath(new URL('.moto/bin/python', import.meta.url));
const CREDENTIALS = { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY', sessionToken: 'a token+/=' };

/** The signature that botocore, the SDK of the AWS CLI, gives the same request. */
const VERIFY = `
import json, sys
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
ask = json.load(sys.stdin)
signer = SigV4Auth(Credentials(**ask['credentials']), 'lambda', ask['region'])
request = AWSRequest('POST', ask['url'], headers=ask['headers'], data=ask['body'])
request.context['timestamp'] = ask['at']
canonical = signer.canonical_request(request)
print(signer.signature(signer.string_to_sign(request, canonical), request))
`;

interface Seen {
  headers: IncomingHttpHeaders;
  path: string;
  body: string;
}

it('what a box says to a launcher behind a Function URL is signed with the role of its instance, as the AWS CLI would', async () => {
  const seen: Seen[] = [];
  const server = createServer((incoming, answer) => {
    let body = '';
    incoming.on('data', (chunk: Buffer) => {
      body += chunk;
    });
    incoming.on('end', () => {
      seen.push({ headers: incoming.headers, path: incoming.url ?? '', body });
      answer.end('{"volumeId":"vol-1","fileSystem":null,"mayFormat":true}');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const region = 'eu-central-1';
  const send = bySignature({ credentials: async () => CREDENTIALS }, region);
  const link = networkLink({ url, owner: 'dev', send, onOrders: () => {} });
  expect(await link.disk({ sessionId: 'ses_1', generation: 1 })).toEqual({ volumeId: 'vol-1', fileSystem: null, mayFormat: true });
  server.close();

  const [{ headers, path, body }] = seen as [Seen];
  const [, signed = '', signature] = /SignedHeaders=([^,]+), Signature=([0-9a-f]{64})$/.exec(headers.authorization ?? '') ?? [];
  expect(signed.split(';')).toEqual(expect.arrayContaining(['content-type', 'devctl-owner', 'host', 'x-amz-date', 'x-amz-security-token']));
  const ask = {
    credentials: { access_key: CREDENTIALS.accessKeyId, secret_key: CREDENTIALS.secretAccessKey, token: CREDENTIALS.sessionToken },
    region,
    url: `${url}${path}`,
    headers: Object.fromEntries(signed.split(';').map((name) => [name, headers[name]])),
    body,
    at: headers['x-amz-date'],
  };
  const python = existsSync(OWN) ? OWN : 'python3';
  expect(execFileSync(python, ['-c', VERIFY], { input: JSON.stringify(ask), encoding: 'utf8' }).trim()).toBe(signature);
  expect(headers.authorization).toContain(`Credential=${CREDENTIALS.accessKeyId}/`);
  expect(headers.authorization).toContain(`/${region}/lambda/aws4_request`);
});

it.each([
  ['https://abc123.lambda-url.eu-central-1.on.aws/', 'eu-central-1'],
  ['https://abc123.lambda-url.us-gov-west-1.on.aws', 'us-gov-west-1'],
  ['https://devctl.example.com', null],
  ['https://abc.lambda-url.eu-central-1.on.aws.example.com', null],
  ['https://lambda-url.eu-central-1.on.aws', null],
])('%s is a Function URL in %s', (url, region) => {
  expect(regionOfFunction(url)).toBe(region);
});
