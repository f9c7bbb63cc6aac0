import { runSimulation, type Simulation } from '@cloud-copilot/iam-simulate';
import type { NamedPolicy, PolicyDocument } from './access.ts';

/** Somebody who asks AWS for something. */
export interface Principal {
  arn: string;
  policies: NamedPolicy[];
  boundary?: NamedPolicy[] | undefined;
  /** What AWS knows of whoever asks, besides what is asked. */
  context: Readonly<Record<string, string | string[]>>;
}

export interface Question {
  principal: Principal;
  action: string;
  resource: string;
  context?: Readonly<Record<string, string | string[]>>;
  /** Trust policy of a role that is to be assumed. */
  resourcePolicy?: PolicyDocument;
}

/**
 * What IAM answers.
 * @throws Error for a policy that is no policy, an action that there is not, and a condition key that AWS does not give with this action and resource:
 * a question which could never be asked proves nothing
 */
export async function evaluate(question: Question, accountId: string): Promise<'allowed' | 'denied'> {
  const { principal, action, resource, context = {}, resourcePolicy } = question;
  const simulation: Simulation = {
    request: {
      principal: principal.arn,
      action,
      resource: { resource, accountId },
      contextVariables: { ...principal.context, ...context },
    },
    identityPolicies: principal.policies,
    serviceControlPolicies: [],
    resourceControlPolicies: [],
    ...(principal.boundary && { permissionBoundaryPolicies: principal.boundary }),
    ...(resourcePolicy && { resourcePolicy }),
  };
  const result = await runSimulation(simulation, {});
  const what = `${action} on ${resource}`;
  if (result.resultType === 'error') throw new Error(`${what}: ${JSON.stringify(result.errors)}`);
  const left = result.resultType === 'single' ? (result.result.ignoredContextKeys ?? []) : [];
  const ignored = Object.keys(context).filter((key) => left.some((each) => each.toLowerCase() === key.toLowerCase()));
  if (ignored.length > 0) throw new Error(`${what}: AWS does not give ${ignored.join(', ')} with it`);
  return result.overallResult === 'Allowed' ? 'allowed' : 'denied';
}
