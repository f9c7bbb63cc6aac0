import { collect } from '../../client/client.ts';
import { createTokenSchema } from '../../contract/api.ts';
import { tokenIdSchema } from '../../contract/fields.ts';
import type { Scope } from '../../contract/records.ts';
import { each } from '../each.ts';
import { json, plainRows } from '../output.ts';
import { clockTime } from '../text.ts';
import { check } from '../validate.ts';
import type { Run } from '../verb.ts';

export const create: Run = async (cli) => {
  const { tokenName, scopes, owner, expires } = cli.flags;
  const body = {
    name: tokenName ?? 'token',
    ...(scopes && { scopes: scopes as Scope[] }),
    ...(owner !== undefined && { owner }),
    ...(expires !== undefined && { expiresIn: expires }),
  };
  check(createTokenSchema, body, { name: '--name', scopes: '--scope', owner: '--owner', expiresIn: '--expires' });
  const token = await (await cli.client()).call('createToken', { body });
  if (cli.form === 'json') cli.print(json(token));
  else if (cli.form === 'plain') cli.print(plainRows([[token.token, token.id]]));
  else {
    cli.print(`${token.token}\n`);
    cli.say(
      `token ${token.id} of ${token.owner} (${token.scopes.join(', ')})${token.expiresAt ? ` ends ${clockTime(new Date(token.expiresAt), new Date())}` : ''}; it is not shown again`,
    );
  }
  return undefined;
};

export const list: Run = async (cli) => {
  const tokens = await collect((await cli.client()).list('listTokens', { query: { limit: 200 } }));
  const now = new Date();
  cli.show({
    json: tokens,
    header: ['TOKEN', 'NAME', 'OWNER', 'SCOPES', 'MADE', 'ENDS', ''],
    rows: tokens.map((token) => [
      token.id,
      token.name,
      token.owner,
      token.scopes.join(','),
      clockTime(new Date(token.createdAt), now),
      token.expiresAt === null ? 'never' : clockTime(new Date(token.expiresAt), now),
      token.revokedAt === null ? '' : 'revoked',
    ]),
    plain: tokens.map(({ id, name, owner, scopes, createdAt, expiresAt, revokedAt }) => [
      id,
      name,
      owner,
      scopes.join(','),
      createdAt,
      expiresAt,
      revokedAt,
    ]),
  });
  return undefined;
};

export const revoke: Run = async (cli, { args }) => {
  for (const id of args) check(tokenIdSchema, id, { '': 'the id' });
  const client = await cli.client();
  const { done, code } = await each(cli, args, false, async (id) => {
    await client.call('revokeToken', { params: { id } });
    if (cli.form !== 'json') cli.print(`token ${id} is revoked\n`);
    return { revoked: id };
  });
  if (cli.form === 'json') cli.print(json(done));
  return code;
};
