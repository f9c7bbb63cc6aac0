/**
 * How tokens are written. Each names its owner, so that one read by key finds the record that it must match; the owner in it
 * proves nothing before the secret has been compared.
 *
 * | token | form |
 * |---|---|
 * | of a user | `dvt_<base64url(owner)>.<token id>.<secret>` |
 * | of one generation's box | `dvb_<base64url(owner)>.<secret>` |
 *
 * A secret is 32 bytes as 43 characters of base64url. Only its SHA-256 is kept.
 */
const SECRET_BYTES = 32;
const SECRET = '[A-Za-z0-9_-]{43}';
const OWNER = '[A-Za-z0-9_-]{1,268}';

const USER_TOKEN_PATTERN = new RegExp(`^dvt_(${OWNER})\\.(tok_[0-9a-z]{16,32})\\.(${SECRET})$`);
export const BOX_TOKEN_PATTERN = new RegExp(`^dvb_(${OWNER})\\.(${SECRET})$`);

const base64url = (bytes: Uint8Array): string =>
  btoa(String.fromCharCode(...bytes))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '');

/** The text of a base64url of ASCII; null when it is none, or not in its shortest form. */
function fromBase64url(text: string): string | null {
  try {
    const decoded = atob(text.replaceAll('-', '+').replaceAll('_', '/'));
    return base64url(new TextEncoder().encode(decoded)) === text ? decoded : null;
  } catch {
    return null;
  }
}

function secretText(secret: Uint8Array): string {
  if (secret.length !== SECRET_BYTES) throw new RangeError(`a secret has ${SECRET_BYTES} bytes, not ${secret.length}`);
  return base64url(secret);
}

const ownerText = (owner: string): string => base64url(new TextEncoder().encode(owner));

export interface UserToken {
  owner: string;
  id: string;
  secret: string;
}

/** @param secret 32 random bytes */
export const makeUserToken = (owner: string, id: string, secret: Uint8Array): string =>
  `dvt_${ownerText(owner)}.${id}.${secretText(secret)}`;

export function parseUserToken(text: string): UserToken | null {
  const [, ownerPart = '', id = '', secret = ''] = USER_TOKEN_PATTERN.exec(text) ?? [];
  const owner = ownerPart === '' ? null : fromBase64url(ownerPart);
  return owner === null ? null : { owner, id, secret };
}

/** @param secret 32 bytes that nobody can guess, of this session and generation alone */
export const makeBoxToken = (owner: string, secret: Uint8Array): string => `dvb_${ownerText(owner)}.${secretText(secret)}`;

/** Whose session the box speaks for; null when it is no box token. What is hashed and compared is the whole token. */
export function parseBoxToken(text: string): { owner: string } | null {
  const [, ownerPart = ''] = BOX_TOKEN_PATTERN.exec(text) ?? [];
  const owner = ownerPart === '' ? null : fromBase64url(ownerPart);
  return owner === null ? null : { owner };
}
