import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { TestProject } from 'vitest/node';
import { startServer } from './server.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    motoUrl: string;
  }
}

const OWN = fileURLToPath(new URL('.moto/bin/moto_server', import.meta.url));

/** The first call of EC2 loads all that moto knows of images, which takes many seconds: no test shall wait for that. */
const answers = (url: string): Promise<boolean> =>
  fetch(url, {
    method: 'POST',
    headers: { authorization: 'AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/ec2/aws4_request, SignedHeaders=host, Signature=none' },
    body: new URLSearchParams({ Action: 'DescribeSubnets', Version: '2016-11-15' }),
  }).then(
    ({ ok }) => ok,
    () => false,
  );

/** Starts moto, an independent server that speaks as AWS does, for the suites, and ends it after them. */
export default async function startMoto(project: TestProject): Promise<() => Promise<void>> {
  const command = existsSync(OWN) ? OWN : 'moto_server';
  const { url, stop } = await startServer({
    name: 'moto',
    command,
    args: (port) => ['-H', '127.0.0.1', '-p', String(port)],
    env: { MOTO_ENABLE_AMI_VALIDATION: 'true' },
    answers,
  });
  project.provide('motoUrl', url);
  return stop;
}
