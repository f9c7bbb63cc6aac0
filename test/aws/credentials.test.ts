import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, inject, it } from 'vitest';
import type { Session } from '../../launcher/contract/api.ts';
import { connectAws } from '../../launcher/providers/ec2/sdk-api.ts';
import { Account, REGION } from './account/account.ts';
import { Laptop } from './account/laptop.ts';
import { ProcessMachines } from './account/machines.ts';
import { filesIn, foundIn } from './account/sweep.ts';

/** The AWS CLI is no part of devctl, and not on every machine. */
const hasAws = (() => {
  try {
    execFileSync('aws', ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
})();

describe("credentials of the box's role for its commands", { timeout: 120_000 }, () => {
  let account: Account;
  let laptop: Laptop;
  let folder = '';
  let boxId = '';

  beforeAll(async () => {
    account = await Account.open(inject('motoUrl'), new ProcessMachines());
    laptop = new Laptop(account, 'credentials');
    const credentials = { accessKeyId: 'test', secretAccessKey: 'test' };
    const { ec2, close } = connectAws({ region: REGION, endpoint: account.url, credentials });
    await laptop.settle(ec2);
    close();
    folder = laptop.folder('project');
    writeFileSync(join(folder, 'README'), 'a project\n');
    await laptop.serve(`${account.pluginFolder()}:${process.env['PATH']}`);
    await laptop.must(['up', '--aws'], { cwd: folder });
    boxId = (await laptop.json<{ session: Session }>(['status'], { cwd: folder })).session.box?.id ?? '';
  });

  afterAll(async () => {
    await laptop.stop();
    await laptop.leave();
    await account.close();
  });

  beforeEach(({ onTestFailed }) => onTestFailed(() => console.log(account.machines.logs(), laptop.logs())));

  const exec = (...argv: string[]) => laptop.run(['exec', '--', ...argv], { cwd: folder });
  const get = (url: string, authorization?: string) => fetch(url, { headers: { ...(authorization && { authorization }) } });

  async function endpoint(): Promise<{ url: string; token: string }> {
    const { stdout } = await exec('printenv', 'AWS_CONTAINER_CREDENTIALS_FULL_URI', 'AWS_CONTAINER_AUTHORIZATION_TOKEN');
    const [url = '', token = ''] = stdout.trim().split('\n');
    return { url, token };
  }

  it('are served on loopback to whoever has the token, and to nobody else', async () => {
    const { url, token } = await endpoint();
    expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/credentials$/);
    const answer = await get(url, token);
    expect(await answer.json()).toMatchObject({
      AccessKeyId: `ROLE${boxId}`,
      Token: `session-of-${boxId}`,
      Expiration: expect.any(String),
    });
    const refused = [undefined, '', 'nonsense', `${token}x`, `Bearer ${token}`].map((shown) => get(url, shown));
    expect((await Promise.all(refused)).map(({ status }) => status)).toEqual([401, 401, 401, 401, 401]);
    expect((await get(url.replace('credentials', 'latest/meta-data'), token)).status).toBe(404);
  });

  it('are those of the same endpoint for every command, and are in no log and not on the disk', async () => {
    const [{ url, token }, again] = [await endpoint(), await endpoint()];
    expect(again).toEqual({ url, token });
    const everything = [...filesIn(account.machines.dir), ...filesIn(join(laptop.state, 'log'))];
    for (const secret of [token, `secret-of-${boxId}`]) expect(foundIn(secret, everything)).toEqual([]);
  });

  it('leave alone what a command was given itself', async () => {
    const { stdout } = await laptop.run(['exec', '--env', 'AWS_REGION=eu-west-3', '--', 'printenv', 'AWS_REGION', 'AWS_DEFAULT_REGION'], {
      cwd: folder,
    });
    expect(stdout).toBe(`eu-west-3\n${REGION}\n`);
  });

  it.skipIf(!hasAws)('are what the AWS CLI finds, with no metadata service and no file (needs the AWS CLI)', async () => {
    const env = [`AWS_ENDPOINT_URL_STS=${account.url}`, 'AWS_EC2_METADATA_DISABLED=true', 'AWS_CONFIG_FILE=/dev/null'];
    const flags = env.flatMap((variable) => ['--env', variable]);
    const words = ['aws', 'sts', 'get-caller-identity', '--output', 'json'];
    const { stdout, stderr } = await laptop.run(['exec', ...flags, '--', ...words], { cwd: folder });
    expect(stderr).toBe('');
    expect(JSON.parse(stdout)).toMatchObject({ Account: '123456789012' });
    expect(
      account.seen.filter((request) => request.includes(`Credential=ROLE${boxId}/`) && request.includes('GetCallerIdentity')),
    ).not.toEqual([]);
  });

  it('are not there in a session that has not asked', async () => {
    const plain = laptop.folder('plain');
    await laptop.must(['up'], { cwd: plain });
    const { code, stdout } = await laptop.run(['exec', '--', 'sh', '-c', 'env | grep ^AWS_'], { cwd: plain });
    expect([code, stdout]).toEqual([1, '']);
    expect((await laptop.must(['logs'], { cwd: plain })).includes('credentials of the role')).toBe(false);
  });

  it('are served no more once the box is saved', async () => {
    const { url, token } = await endpoint();
    await laptop.must(['down'], { cwd: folder });
    await expect(get(url, token)).rejects.toThrow();
  });
});
