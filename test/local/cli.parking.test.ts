import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Session, Why } from '../../launcher/contract/api.ts';
import { Person } from './cli-harness.ts';

let person: Person;
let shop: string;
beforeAll(() => {
  person = new Person();
  shop = person.folder('code/shop');
  writeFileSync(join(shop, 'a.txt'), 'one\n');
});
afterAll(() => person.leave());

const here = () => ({ cwd: shop });
const status = async (): Promise<Session> => (await person.json<{ session: Session }>(['status'], here())).session;

describe('the machine that is asked for, on this machine', () => {
  it.each([
    [
      ['up', '--type', 'm7a.large'],
      'instanceTypes "?m7a.large"? means nothing to the local provider, whose boxes have no types: give a size',
    ],
    [['up', '--arch', process.arch === 'arm64' ? 'x86_64' : 'arm64'], 'is not that of a local box'],
    [['up', '--persistent', '--policy', 'spot'], 'policy "?spot"? is not possible for a persistent session'],
    [['up', '--aws'], 'awsCredentials is for boxes with a role in an AWS account, and a local box has none.* devctl exec --env NAME'],
    [['up', '--egress', 'github.com,*.example.net'], 'egress .*is for boxes that are machines of their own, and a local box is none'],
    [['up', '--egress', 'https://github.com'], 'egress.* use the name of a host in small letters'],
    [['up', '--type', 'm7a large'], '--type .* use the name of an instance type such as m7a.large'],
  ])('%s is refused with the field, what was got and what is allowed', async (line, words) => {
    const { code, stderr } = await person.run(line, here());
    expect([code, stderr.replace(/\n\s*/g, ' ')]).toEqual([2, expect.stringMatching(words)]);
    expect(await person.json(['ls'])).toEqual([]);
  });
});

describe('a persistent session on this machine', () => {
  it('begins with up, is parked when it is asked to, and goes on with up as it was', async () => {
    await person.must(['up', '--persistent', '--policy', 'on-demand'], here());
    await person.must(['exec', '--', 'sh', '-c', 'echo kept > /workspace/src/b.txt; nohup sleep 1000 >/dev/null 2>&1 &'], here());
    expect(await person.must(['park'], here())).toBe('shop is parked: devctl up goes on with it\n');
    expect(await status()).toMatchObject({ phase: 'parked', desired: 'parked', persistent: true, policy: 'on-demand', box: null });
    expect(await person.must(['ls', '-o', 'plain'])).toMatch(/^shop\tparked\t/);
    expect((await person.json<Why>(['why'], here())).because).toBe('its owner stopped it');
    expect(await person.run(['exec', '--', 'true'], here())).toMatchObject({ code: 5, stderr: expect.stringContaining('run devctl up') });
    expect(await person.must(['park'], here())).toContain('is parked');
    const up = await person.run(['up'], here());
    expect(up).toMatchObject({ code: 0, stdout: expect.stringMatching(/is ready · is parked after 30 min idle/) });
    expect(await status()).toMatchObject({ phase: 'ready', generation: 2 });
    expect(await person.must(['exec', '--', 'sh', '-c', 'cat b.txt; pgrep -c sleep || true'], here())).toBe('kept\n0\n');
  });

  it('is parked by itself when it is idle, and ends with down as any other', async () => {
    await person.must(['park'], here());
    const receipt = await person.must(['down'], here());
    expect(receipt).toMatch(/snap_\d+/);
    await person.must(['up', '--persistent', '--idle', '5s', '--no-wait'], here());
    await expect.poll(async () => (await status()).phase, { timeout: 60_000 }).toBe('parked');
    await person.must(['up'], here());
    expect(await person.must(['exec', '--', 'cat', 'b.txt'], here())).toBe('kept\n');
    await person.must(['down'], here());
    expect(await person.run(['park', 'shop'], here())).toMatchObject({ code: 3 });
  });

  it('is what park asks for', async () => {
    await person.must(['up'], here());
    expect(await person.run(['park'], here())).toMatchObject({ code: 5, stderr: expect.stringContaining('is not persistent') });
    await person.must(['down'], here());
  });
});
