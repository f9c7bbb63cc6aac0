import { classOf } from './errors.ts';
import { type Ask, type SignedConnection, send } from './signed.ts';

/** What a launcher in Lambda asks of its surroundings besides machines. */
export interface FunctionApi {
  /** Has a function run with this payload, soon and at least once. It does not wait for that. */
  invokeLater(name: string, payload: object): Promise<void>;
  /** @param arn of a secret of Secrets Manager that is a text */
  secretText(arn: string): Promise<string>;
}

/** Tries of one call, the first one counted, and the rest before each of the others. */
const TRIES = 3;
const REST_MS = 150;

/** Both may be repeated: a function that is invoked twice looks twice. @throws AwsError; errors of the way to it */
export const createFunctionApi = (connection: SignedConnection): FunctionApi => ({
  async invokeLater(name, payload) {
    await repeated(connection, {
      service: 'lambda',
      method: 'POST',
      path: `/2015-03-31/functions/${encodeURIComponent(name)}/invocations`,
      headers: { 'content-type': 'application/json', 'x-amz-invocation-type': 'Event' },
      body: JSON.stringify(payload),
    });
  },
  async secretText(arn) {
    const text = await repeated(connection, {
      service: 'secretsmanager',
      method: 'POST',
      headers: { 'content-type': 'application/x-amz-json-1.1', 'x-amz-target': 'secretsmanager.GetSecretValue' },
      body: JSON.stringify({ SecretId: arn }),
    });
    const { SecretString: secret } = JSON.parse(text) as { SecretString?: unknown };
    if (typeof secret !== 'string') throw new Error(`the secret ${arn} is no text`);
    return secret;
  },
});

async function repeated(connection: SignedConnection, ask: Ask): Promise<string> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await send(connection, ask);
    } catch (error) {
      const kind = classOf(error);
      const mayPass = kind === 'throttled' || kind === 'passing' || kind === 'no_answer';
      if (!mayPass || tries >= TRIES) throw error;
      await new Promise((resolve) => setTimeout(resolve, REST_MS * 2 ** tries));
    }
  }
}
