import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { instanceIdentity } from '../../../launcher/providers/ec2/identity.ts';

const INSTANCE = 'i-0123456789abcdef0';
const AUDIENCE = 'https://boxes.example.com';
const HOUR_MS = 3_600_000;

type Pair = Awaited<ReturnType<typeof generateKeyPair>>;

describe('which instance a token was given to', () => {
  let server: Server;
  let issuer: string;
  let pair: Pair;
  let answer: { status: number; body: string };

  beforeEach(async () => {
    pair = await generateKeyPair('ES384', { extractable: true });
    const key = { ...(await exportJWK(pair.publicKey)), kid: 'first', alg: 'ES384', use: 'sig' };
    answer = { status: 200, body: JSON.stringify({ keys: [key] }) };
    server = createServer((_request, response) => {
      response.writeHead(answer.status, { 'content-type': 'application/json', connection: 'close' }).end(answer.body);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterEach(async () => {
    vi.useRealTimers();
    await new Promise((resolve) => server.close(resolve));
  });

  const token = (patch: object = {}, { header = {}, key = pair.privateKey as Pair['privateKey'] | Uint8Array } = {}): Promise<string> => {
    const nowS = Math.floor(Date.now() / 1000);
    const arn = `arn:aws:ec2:eu-central-1:123456789012:instance/${INSTANCE}`;
    const claims = { iss: issuer, aud: AUDIENCE, sub: 'role', iat: nowS, exp: nowS + 900 };
    return new SignJWT({ ...claims, 'https://sts.amazonaws.com/': { ec2_source_instance_arn: arn }, ...patch })
      .setProtectedHeader({ alg: 'ES384', kid: 'first', ...header })
      .sign(key);
  };
  const identity = () => instanceIdentity({ issuer, audience: AUDIENCE });
  const later = (ms: number) => vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + ms });

  it('is named by its claims', async () => {
    await expect(identity()(await token())).resolves.toBe(INSTANCE);
  });

  it('an issuer that is written with a slash at its end is the same one', async () => {
    const boxIdOf = instanceIdentity({ issuer: `${issuer}/`, audience: AUDIENCE });
    await expect(boxIdOf(await token())).resolves.toBe(INSTANCE);
  });

  it.each([
    ['for another launcher', { aud: 'https://other.example.com' }],
    ['of another issuer', { iss: 'https://evil.example.com' }],
    ['of a person', { 'https://sts.amazonaws.com/': { ec2_source_instance_arn: 'arn:aws:iam::123456789012:user/eve' } }],
    ['that names no instance', { 'https://sts.amazonaws.com/': null }],
    ['that has ended', { exp: 1_000_000_000 }],
    ['without an end', { exp: undefined }],
  ])('a token %s is refused', async (_what, patch) => {
    await expect(identity()(await token(patch))).rejects.toMatchObject({ code: 'unauthorized' });
  });

  it('a token that is signed with the public key as a secret, or by nobody, is refused', async () => {
    const secret = new TextEncoder().encode(answer.body.padEnd(64));
    const signed = await token({}, { header: { alg: 'HS256' }, key: secret });
    const unsigned = `${Buffer.from('{"alg":"none"}').toString('base64url')}.${(await token()).split('.')[1]}.`;
    for (const forged of [signed, unsigned, 'garbage']) await expect(identity()(forged)).rejects.toMatchObject({ code: 'unauthorized' });
  });

  it('a launcher whose clock is two minutes behind takes tokens that are new', async () => {
    const fresh = await token({ nbf: Math.floor(Date.now() / 1000) + 120 });
    await expect(identity()(fresh)).resolves.toBe(INSTANCE);
  });

  it.each([
    ['refuses', { status: 503, body: '' }],
    ['answers with a page', { status: 200, body: '<html>' }],
    ['answers with something else', { status: 200, body: '{}' }],
  ])('keys that were fetched before hold while their issuer %s', async (_what, outage) => {
    const boxIdOf = identity();
    await boxIdOf(await token());
    answer = outage;
    later(HOUR_MS);
    await expect(boxIdOf(await token())).resolves.toBe(INSTANCE);
    const another = await token({}, { header: { kid: 'second' } });
    await expect(boxIdOf(another)).rejects.toMatchObject({ code: 'unavailable' });
    await expect(identity()(await token()), 'with none fetched before').rejects.toMatchObject({ code: 'unavailable' });
  });

  it('a key that was taken back does not hold once the issuer answers', async () => {
    const boxIdOf = identity();
    await boxIdOf(await token());
    const next = await generateKeyPair('ES384', { extractable: true });
    answer = { status: 200, body: JSON.stringify({ keys: [{ ...(await exportJWK(next.publicKey)), kid: 'second', alg: 'ES384' }] }) };
    later(HOUR_MS);
    await expect(boxIdOf(await token())).rejects.toMatchObject({ code: 'unauthorized' });
  });
});
