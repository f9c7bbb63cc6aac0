/** Secrets in moto, made as their owner makes them: not by way of the account that boxes see. */
export class Vault {
  readonly #moto: string;

  constructor(moto: string) {
    this.#moto = moto;
  }

  /** @returns the ARN */
  async create(name: string, value: string | Buffer, region: string): Promise<string> {
    const held = typeof value === 'string' ? { SecretString: value } : { SecretBinary: value.toString('base64') };
    return this.#call('CreateSecret', { Name: name, ...held }, region);
  }

  /** A new version: what was the present one is the previous one. */
  put(arn: string, value: string, region: string): Promise<string> {
    return this.#call('PutSecretValue', { SecretId: arn, SecretString: value }, region);
  }

  async #call(action: string, body: object, region: string): Promise<string> {
    const answer = await fetch(this.#moto, {
      method: 'POST',
      headers: {
        authorization: `AWS4-HMAC-SHA256 Credential=owner/20260101/${region}/secretsmanager/aws4_request, SignedHeaders=host, Signature=none`,
        'content-type': 'application/x-amz-json-1.1',
        'x-amz-target': `secretsmanager.${action}`,
      },
      body: JSON.stringify(body),
    });
    const { ARN } = (await answer.json()) as { ARN?: string };
    if (ARN === undefined) throw new Error(`${action} answered ${answer.status}`);
    return ARN;
  }
}
