import * as z from 'zod';
import { DevctlError } from '../contract/errors.ts';
import { ownerSchema } from '../contract/fields.ts';
import type { Scope } from '../contract/records.ts';
import type { Identify } from './identify.ts';
import type { BoxCaller } from './operation.ts';

/**
 * `requestContext.authorizer.iam` of an event of a Function URL: whose signature Lambda has checked. What is not read here is left out.
 * Source: Lambda Developer Guide, "Invoking Lambda function URLs", request payload format.
 */
const signerSchema = z.object({ userArn: z.string().max(2048), userId: z.string().max(128), accountId: z.string() });

export interface IamRoles {
  accountId: string;
  /** Name of the role that boxes have: a session of it is the instance that it is named after. */
  boxRole: string;
  /** Name of the role whose sessions have the scope `admin`. */
  adminRole: string;
}

/** Somebody of this account, by the form of their ARN. `role` null: no session of a role. */
interface Principal {
  arn: string;
  owner: string;
  role: string | null;
  session: string;
}

const ARN = /^arn:aws[a-z-]*:(iam|sts)::(\d{12}):(.+)$/;
/** A name has no slash, so that no path of a role or user, and no name that begins alike, can be taken for another one. */
const ROLE_SESSION = /^assumed-role\/([\w+=,.@-]{1,64})\/([\w+=,.@-]{2,64})$/;
const USER = /^user\/(?:[!-.0-~]{1,510}\/)*[\w+=,.@-]{1,64}$/;
const FEDERATED = /^federated-user\/[\w+=,.@-]{2,32}$/;
const INSTANCE = /^i-[0-9a-f]{8,17}$/;

/**
 * What the CLI and the SDKs of AWS call a session that nobody has named: with the moment in it, so that the next one is another owner.
 * Source: `role_session_name` in the AWS SDKs and Tools Reference Guide, and the names that they make in its place.
 */
const UNNAMED = /^(?:botocore-session-|aws-sdk-(?:js|java|php|ruby)-|aws-go-sdk-|AWSCLI-Session$)|^\d{10,}$/;

const PEOPLE: readonly Scope[] = ['read', 'write'];
const ADMINS: readonly Scope[] = ['read', 'write', 'admin'];

/**
 * Who calls, by whose signature it is: a box by the session of its instance's role, everybody else of the account by their id
 * (`aws:userid`), which is the owner. There are no tokens, and nothing is for everybody.
 */
export function identifyByIam(roles: IamRoles): Identify {
  return {
    challenge: 'AWS4-HMAC-SHA256 service="lambda"',
    async callerOf(scope, { signedBy, boxOwner }) {
      const principal = principalOf(signedBy, roles.accountId);
      const isBox = principal.role === roles.boxRole;
      if (scope === 'box') return isBox ? boxOf(principal, boxOwner) : refuse(principal, 'only boxes may do this');
      if (isBox) return refuse(principal, 'a box may do nothing else than tell of itself');
      if (scope === 'public') return null;
      assertNamed(principal);
      const scopes = principal.role === roles.adminRole ? ADMINS : PEOPLE;
      return { owner: principal.owner, tokenId: null, scopes, expiresAtMs: null, arn: principal.arn };
    },
  };
}

function refuse({ arn }: Principal, why: string): never {
  throw new DevctlError('forbidden', `${why}, and you are ${arn}`);
}

/** Somebody of a new name each hour would not find their boxes again, and would have a quota for each name. */
function assertNamed({ session, arn }: Principal): void {
  if (UNNAMED.test(session))
    throw new DevctlError(
      'forbidden',
      `the session of ${arn} has a name that is another one each time, and the name is the owner of boxes`,
      {
        hint: 'write role_session_name = YOUR-NAME into the profile of ~/.aws/config (aws sts assume-role: --role-session-name)',
      },
    );
}

function principalOf(signedBy: unknown, accountId: string): Principal {
  const signer = signerSchema.safeParse(signedBy).data;
  if (signer === undefined) throw new DevctlError('unauthorized', 'the request carries no signature that AWS has checked');
  const [, service, account, name = ''] = ARN.exec(signer.userArn) ?? [];
  const owner = ownerSchema.safeParse(signer.userId).data;
  if (owner === undefined || account !== accountId || signer.accountId !== accountId) throw stranger(signer.userArn);
  const plain = { arn: signer.userArn, owner, role: null, session: '' };
  if (service === 'sts') {
    const [, role, session = ''] = ROLE_SESSION.exec(name) ?? [];
    if (role !== undefined && owner.endsWith(`:${session}`)) return { ...plain, role, session };
    if (FEDERATED.test(name)) return plain;
  } else if (USER.test(name) || name === 'root') return plain;
  throw stranger(signer.userArn);
}

const stranger = (arn: string): DevctlError =>
  new DevctlError('forbidden', `${JSON.stringify(arn.slice(0, 200))} is nobody whom this launcher knows`, {
    hint: 'sign as a user or role of the account that the launcher is in',
  });

function boxOf(principal: Principal, boxOwner: string | undefined): BoxCaller {
  const owner = ownerSchema.safeParse(boxOwner).data;
  if (!INSTANCE.test(principal.session)) return refuse(principal, 'only an instance speaks for a box');
  if (owner === undefined) throw new DevctlError('unauthorized', 'the box does not say whose session it has');
  return { owner, shown: { boxId: principal.session } };
}
