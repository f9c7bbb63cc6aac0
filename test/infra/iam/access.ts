import { Resolver, type Template, type Where } from './resolve.ts';

export interface PolicyDocument {
  Version: string;
  Statement: object[];
}

export interface NamedPolicy {
  name: string;
  policy: PolicyDocument;
}

/** A role as IAM would have it after a deployment. */
export interface RoleAccess {
  arn: string;
  policies: NamedPolicy[];
  boundary: NamedPolicy[] | undefined;
  trust: PolicyDocument;
}

/** All that the IAM of an account would have of some templates. */
export interface Access {
  roles: ReadonlyMap<string, RoleAccess>;
  /** By ARN. */
  managed: ReadonlyMap<string, PolicyDocument>;
}

/** Policies of AWS itself count as everything: what a role with one may not do, it may not do for another reason. */
const OF_AWS: PolicyDocument = { Version: '2012-10-17', Statement: [{ Effect: 'Allow', Action: '*', Resource: '*' }] };

const documentOf = (value: unknown): PolicyDocument => {
  const document = value as PolicyDocument;
  // Without a version IAM reads a document as of 2008, which knows no variables: here nothing may depend on it.
  return { ...document, Version: document.Version ?? '2008-10-17' };
};

/**
 * Roles and policies of templates, as they would be in one account: the documents that are deployed, and no copy of them.
 * @throws Error for anything in a policy that cannot be resolved, or is attached and not there
 */
export function readAccess(parts: readonly { template: Template; where: Where }[]): Access {
  const managed = new Map<string, PolicyDocument>();
  for (const { template, where } of parts) {
    const resolver = new Resolver(template, where);
    for (const [id, resource] of Object.entries(template.Resources))
      if (resource.Type === 'AWS::IAM::ManagedPolicy' && resolver.isMade(resource))
        managed.set(resolver.arnOf(id), documentOf(resolver.value(resource.Properties?.['PolicyDocument'])));
  }
  const roles = new Map<string, RoleAccess>();
  for (const { template, where } of parts) readRoles(template, new Resolver(template, where), managed, roles);
  return { roles, managed };
}

function readRoles(
  template: Template,
  resolver: Resolver,
  managed: ReadonlyMap<string, PolicyDocument>,
  roles: Map<string, RoleAccess>,
): void {
  const named = (arn: string): NamedPolicy => {
    const policy = arn.includes(':iam::aws:policy/') ? OF_AWS : managed.get(arn);
    if (policy === undefined) throw new Error(`${arn} is attached, and in no template`);
    return { name: arn, policy };
  };
  for (const [id, { Type, Properties = {} }] of Object.entries(template.Resources)) {
    if (Type !== 'AWS::IAM::Role') continue;
    const inline = (resolver.value(Properties['Policies'] ?? []) as { PolicyName: string; PolicyDocument: unknown }[]).map(
      ({ PolicyName: name, PolicyDocument: document }) => ({ name, policy: documentOf(document) }),
    );
    const attached = (resolver.value(Properties['ManagedPolicyArns'] ?? []) as string[]).map(named);
    const bound = resolver.value({ boundary: Properties['PermissionsBoundary'] }) as { boundary?: string };
    roles.set(resolver.nameOf(id), {
      arn: resolver.arnOf(id),
      policies: [...inline, ...attached],
      boundary: bound.boundary === undefined ? undefined : [named(bound.boundary)],
      trust: documentOf(resolver.value(Properties['AssumeRolePolicyDocument'])),
    });
  }
  for (const [id, { Type, Properties = {} }] of Object.entries(template.Resources)) {
    if (Type !== 'AWS::IAM::Policy' && Type !== 'AWS::IAM::ManagedPolicy') continue;
    for (const name of resolver.value(Properties['Roles'] ?? []) as string[]) {
      const role = roles.get(name);
      if (role === undefined) throw new Error(`${id} is attached to ${name}, which is in no template`);
      role.policies.push({ name: id, policy: documentOf(resolver.value(Properties['PolicyDocument'])) });
    }
  }
}
