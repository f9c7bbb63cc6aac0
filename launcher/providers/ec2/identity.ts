import { createLocalJWKSet, createRemoteJWKSet, errors, type JWTPayload, type JWTVerifyGetKey, jwtVerify } from 'jose';
import { DevctlError } from '../../contract/errors.ts';

/** Where STS puts what it knows of the caller. Source: IAM User Guide, "Understanding token claims". */
const CLAIMS = 'https://sts.amazonaws.com/';
const INSTANCE_ARN = /^arn:aws[a-z-]*:ec2:[a-z0-9-]+:\d{12}:instance\/(i-[0-9a-f]{8,17})$/;
/** As much as AWS allows for a caller's clock: a laptop whose calls are answered can also read what boxes show. */
const CLOCK_TOLERANCE_S = 300;

export interface IdentityOptions {
  /** The account's own issuer: `aws iam get-outbound-web-identity-federation-info`. */
  issuer: string;
  /** What boxes ask their tokens for: the address of the launcher that they call. */
  audience: string;
}

/**
 * Which instance a web identity token of STS (GetWebIdentityToken) was given to. The keys of the issuer are fetched when they
 * are first wanted, when a token names another one, and when they are old; while that fails, those of before hold.
 * @throws DevctlError unauthorized; unavailable when the keys cannot be fetched
 */
export function instanceIdentity({ issuer, audience }: IdentityOptions): (token: string) => Promise<string> {
  const bareIssuer = issuer.replace(/\/$/, '');
  const keys = keysOf(bareIssuer);
  return async (token) => {
    const arn = sourceInstanceOf(await verified(token));
    const boxId = INSTANCE_ARN.exec(arn)?.[1];
    if (boxId === undefined) throw new DevctlError('unauthorized', 'the token was not given to an instance');
    return boxId;
  };

  async function verified(token: string): Promise<JWTPayload> {
    try {
      const options = {
        // However it was written down, tokens name it in one way.
        issuer: [bareIssuer, `${bareIssuer}/`],
        audience,
        algorithms: ['RS256', 'ES384'],
        clockTolerance: CLOCK_TOLERANCE_S,
        requiredClaims: ['exp', 'sub'],
      };
      return (await jwtVerify(token, keys, options)).payload;
    } catch (error) {
      if (error instanceof errors.JOSEError)
        throw new DevctlError('unauthorized', `the token of a box is not valid: ${error.code}`, { cause: error });
      throw error;
    }
  }
}

/** An issuer that is out for a while must not make every box a stranger: sessions would be given up for lost. */
function keysOf(issuer: string): JWTVerifyGetKey {
  const remote = createRemoteJWKSet(new URL(`${issuer}/.well-known/jwks.json`));
  return async (header, token) => {
    try {
      return await remote(header, token);
    } catch (error) {
      // The keys were fetched, and this one is none of them.
      if (error instanceof errors.JWKSNoMatchingKey || error instanceof errors.JWKSMultipleMatchingKeys) throw error;
      if (error instanceof errors.JOSENotSupported) throw error;
      const known = remote.jwks();
      const key = known && (await createLocalJWKSet(known)(header, token).catch(() => null));
      if (key) return key;
      throw new DevctlError('unavailable', `the keys of ${issuer} cannot be fetched`, { cause: error });
    }
  };
}

function sourceInstanceOf(payload: JWTPayload): string {
  const claims = payload[CLAIMS];
  const arn = typeof claims === 'object' && claims !== null ? (claims as Record<string, unknown>)['ec2_source_instance_arn'] : undefined;
  return typeof arn === 'string' ? arn : '';
}
