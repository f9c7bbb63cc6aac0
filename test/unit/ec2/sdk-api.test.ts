import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { AwsError } from '../../../launcher/providers/ec2/api.ts';
import { connectAws } from '../../../launcher/providers/ec2/sdk-api.ts';

const ERROR = (code: string) =>
  `<Response><Errors><Error><Code>${code}</Code><Message>said the server</Message></Error></Errors></Response>`;

describe('EC2 over the SDK', () => {
  let server: Server;
  let bodies: string[];
  let answer: { status: number; body: string } | 'hang up';
  let aws: ReturnType<typeof connectAws>;

  beforeEach(async () => {
    bodies = [];
    server = createServer(async (request, response) => {
      let body = '';
      for await (const chunk of request) body += String(chunk);
      bodies.push(body);
      if (answer === 'hang up') request.socket.destroy();
      else response.writeHead(answer.status, { 'content-type': 'text/xml', 'x-amzn-requestid': 'req-1' }).end(answer.body);
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    aws = connectAws({ region: 'us-east-1', endpoint, credentials: { accessKeyId: 'test', secretAccessKey: 'test' } });
  });
  afterEach(async () => {
    aws.close();
    server.close();
    await once(server, 'close');
  });

  it("gives AWS's code as the name of the error, and asks once even where the SDK would repeat", async () => {
    for (const [status, code] of [
      [400, 'InvalidVolume.NotFound'],
      [503, 'RequestLimitExceeded'],
      [500, 'InternalError'],
    ] as const) {
      answer = { status, body: ERROR(code) };
      const before = bodies.length;
      await expect(aws.ec2.deleteVolume({ VolumeId: 'vol-1' })).rejects.toMatchObject({
        name: code,
        $metadata: { httpStatusCode: status, requestId: 'req-1', attempts: 1 },
      });
      expect(bodies.length - before).toBe(1);
    }
  });

  it('asks once when the answer is lost', async () => {
    answer = 'hang up';
    const lost = await aws.ec2.createSnapshot({ VolumeId: 'vol-1' }).then(String, (error: AwsError) => error);
    expect(lost).toMatchObject({ code: 'ECONNRESET' });
    expect(bodies).toHaveLength(1);
    expect(bodies[0]).toContain('Action=CreateSnapshot');
  });

  it('gives a page that has nothing in it as a page', async () => {
    answer = {
      status: 200,
      body: '<DescribeVolumesResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><volumeSet/><nextToken>more</nextToken></DescribeVolumesResponse>',
    };
    const page = await aws.ec2.describeVolumes({ MaxResults: 5 });
    expect(page).toMatchObject({ NextToken: 'more' });
    expect(page.Volumes ?? []).toEqual([]);
  });
});
