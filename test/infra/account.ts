import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { bootstrapWords } from '../../infra/commands/bootstrap.ts';
import { parseTargetConfig, type TargetConfig, type TargetConfigInput } from '../../infra/config.ts';
import { type Names, namesOf } from '../../infra/names.ts';
import { type Access, type NamedPolicy, readAccess } from './iam/access.ts';
import type { Principal } from './iam/evaluate.ts';
import type { Template } from './iam/resolve.ts';
import { synthesized } from './synthesized.ts';
import { ACCOUNT, roleIdOf, userIdOf } from './who.ts';

const ROOT = new URL('../..', import.meta.url).pathname;

/** The deployment of docs/target.example.json, with CodeBuild, unless a test says otherwise. */
export function exampleInput(patch: Partial<TargetConfigInput> = {}): TargetConfigInput {
  const example = JSON.parse(readFileSync(`${ROOT}docs/target.example.json`, 'utf8')) as TargetConfigInput;
  return { ...example, fallback: { codeBuild: true }, ...patch };
}

/** The roles that the bootstrap of the agent's qualifier makes: the CDK's own template, with the parameters that the words of the deploy are for. */
function bootstrapOf(names: Names): { template: Template; parameters: Record<string, string> } {
  const words = bootstrapWords(names, `arn:aws:iam::${ACCOUNT}:policy/${names.cdkExecutionPolicy}`, []);
  const cdk = ['node_modules/aws-cdk/bin/cdk', ...words, '--show-template', '--json', '--no-notices'];
  const shown = execFileSync(process.execPath, cdk, { cwd: ROOT, encoding: 'utf8', maxBuffer: 4 * 1024 * 1024 });
  const after = (word: string) => words[words.indexOf(word) + 1] ?? '';
  const parameters = {
    Qualifier: after('--qualifier'),
    CloudFormationExecutionPolicies: after('--cloudformation-execution-policies'),
    InputPermissionsBoundary: after('--custom-permissions-boundary'),
    ApplyPermissionsBoundaryToAllRoles: String(words.includes('--apply-permissions-boundary-to-all-roles')),
  };
  return { template: JSON.parse(shown) as Template, parameters };
}

/** An account with one deployment in it, and all who ask something of it. */
export class AccountUnderTest {
  readonly names: Names;
  readonly config: TargetConfig;
  readonly template: Template;
  readonly access: Access;
  readonly region: string;

  constructor(input: TargetConfigInput) {
    const config = parseTargetConfig(input, 'docs/target.example.json');
    this.config = config;
    this.region = config.region;
    this.names = namesOf(config.deployment, { account: ACCOUNT, region: config.region });
    const where = { account: ACCOUNT, region: this.region };
    const { template, parameters } = bootstrapOf(this.names);
    // In an account that is not known yet.
    const { template: stack, remove } = synthesized(input, null);
    remove();
    this.template = stack as Template;
    this.access = readAccess([
      { template: this.template, where },
      { template, where: { ...where, parameters } },
    ]);
  }

  /** A session of a role of the deployment or of its CDK. */
  session(role: string, session: string): Principal {
    const found = this.access.roles.get(role);
    if (found === undefined) throw new Error(`there is no role ${role}`);
    return this.#sessionOf(role, session, found.policies, found.boundary);
  }

  /** A session of a role that somebody else has made. */
  foreignSession(role: string, session: string, policies: NamedPolicy[], boundary?: NamedPolicy[]): Principal {
    return this.#sessionOf(role, session, policies, boundary);
  }

  user(name: string, policies: NamedPolicy[]): Principal {
    const arn = `arn:aws:iam::${ACCOUNT}:user/${name}`;
    const context = { 'aws:PrincipalArn': arn, 'aws:PrincipalType': 'User', 'aws:userid': userIdOf(name), 'aws:username': name };
    return { arn, policies, context: { ...context, 'aws:PrincipalAccount': ACCOUNT } };
  }

  managed(name: string): NamedPolicy {
    const arn = `arn:aws:iam::${ACCOUNT}:policy/${name}`;
    const policy = this.access.managed.get(arn);
    if (policy === undefined) throw new Error(`there is no policy ${name}`);
    return { name, policy };
  }

  #sessionOf(role: string, session: string, policies: NamedPolicy[], boundary: NamedPolicy[] | undefined): Principal {
    const context = {
      'aws:PrincipalArn': `arn:aws:iam::${ACCOUNT}:role/${role}`,
      'aws:PrincipalAccount': ACCOUNT,
      'aws:PrincipalType': 'AssumedRole',
      'aws:userid': `${roleIdOf(role)}:${session}`,
    };
    return { arn: `arn:aws:sts::${ACCOUNT}:assumed-role/${role}/${session}`, policies, boundary, context };
  }
}
