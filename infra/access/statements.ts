import { Aws, aws_iam as iam } from 'aws-cdk-lib';
import type { Names } from '../names.ts';

type Conditions = Readonly<Record<string, Readonly<Record<string, string | readonly string[]>>>>;

const statement = (
  effect: iam.Effect,
  sid: string,
  actions: readonly string[],
  resources: readonly string[],
  conditions: Conditions = {},
) => new iam.PolicyStatement({ sid, effect, actions: [...actions], resources: [...resources], conditions });

/** With no resource there is nothing to allow, and no statement. */
export const allow = (sid: string, actions: readonly string[], resources: readonly string[], conditions?: Conditions) =>
  resources.length === 0 ? [] : [statement(iam.Effect.ALLOW, sid, actions, resources, conditions)];

export const deny = (sid: string, actions: readonly string[], resources: readonly string[], conditions?: Conditions) =>
  resources.length === 0 ? [] : [statement(iam.Effect.DENY, sid, actions, resources, conditions)];

/** On everything but these. */
export const denyElsewhere = (sid: string, actions: readonly string[], except: readonly string[]) =>
  new iam.PolicyStatement({ sid, effect: iam.Effect.DENY, actions: [...actions], notResources: [...except] });

/** Tags that policies go by. The launcher's own list is launcher/providers/ec2/tags.ts; that of images is packer/images.ts. */
export const TAGGED = { deployment: 'devctl:deployment', owner: 'devctl:owner', imageOf: 'devctl:image-of' } as const;

/** As Secrets Manager ends the ARN of a secret. */
const SECRET_SUFFIX = /-[A-Za-z0-9]{6}$/;

/** An ARN without the end that AWS gives it is that of a name. */
export const secretArn = (arn: string): string => (SECRET_SUFFIX.test(arn) ? arn : `${arn}-??????`);

/** A variable of IAM, which AWS fills in from the request. */
export const variable = (key: string): string => `$\{${key}}`;

/** The resource has the deployment's tag now. */
export const isOurs = ({ deployment }: Names): Conditions => ({ StringEquals: { [`aws:ResourceTag/${TAGGED.deployment}`]: deployment } });

/** The resource is made with the deployment's tag. */
export const becomesOurs = ({ deployment }: Names): Conditions => ({
  StringEquals: { [`aws:RequestTag/${TAGGED.deployment}`]: deployment },
});

/** ARNs of one deployment, and of what is near it. Figures of the place may be parts that CloudFormation fills in. */
export function arnsOf(names: Names) {
  const { account, region } = names;
  const arn = (service: string, of: string) => `arn:${Aws.PARTITION}:${service}:${region}:${account}:${of}`;
  const iamArn = (of: string) => `arn:${Aws.PARTITION}:iam::${account}:${of}`;
  return {
    arn,
    /** Of EC2, in this account. */
    ec2: (type: string) => arn('ec2', `${type}/*`),
    /** Images and snapshots have no account in their ARN. */
    ec2Shared: (type: 'image' | 'snapshot') => `arn:${Aws.PARTITION}:ec2:${region}::${type}/*`,
    role: (name: string) => iamArn(`role/${name}`),
    policy: (name: string) => iamArn(`policy/${name}`),
    bucket: (name: string) => `arn:${Aws.PARTITION}:s3:::${name}`,
    function: (name: string) => arn('lambda', `function:${name}`),
    /** A document of AWS itself has no account in its ARN, or AWS's own; nobody else can make one whose name begins with `AWS`. */
    awsDocument: (name: string) => `arn:${Aws.PARTITION}:ssm:${region}:*:document/${name}`,
    document: (name: string) => arn('ssm', `document/${name}`),
    parameter: (path: string) => arn('ssm', `parameter${path}`),
    /** Secrets Manager puts six characters behind the name of a secret. */
    secret: (name: string) => arn('secretsmanager', `secret:${name}-??????`),
    logGroup: (name: string) => arn('logs', `log-group:${name}`),
    logStreams: (name: string) => arn('logs', `log-group:${name}:log-stream:*`),
    stack: (name: string) => arn('cloudformation', `stack/${name}/*`),
  };
}

/** A call through the Function URL is authorized as two actions, and the second is of use in no other way (AWS Lambda guide, "urls-auth"). */
export const invokeApi = (names: Names) => [
  ...allow('CallTheApi', ['lambda:InvokeFunctionUrl'], [arnsOf(names).function(names.apiFunction)], {
    StringEquals: { 'lambda:FunctionUrlAuthType': 'AWS_IAM' },
  }),
  ...allow('CallTheApiByItsUrlOnly', ['lambda:InvokeFunction'], [arnsOf(names).function(names.apiFunction)], {
    Bool: { 'lambda:InvokedViaFunctionUrl': 'true' },
  }),
];
