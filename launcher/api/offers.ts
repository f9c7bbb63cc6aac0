import type { Issue } from '../contract/errors.ts';
import type { Policy } from '../contract/fields.ts';
import type { Call } from './operation.ts';
import { invalidRequest } from './problems.ts';

/** A machine that may be taken away cannot be kept. */
export const policyOf = ({ policy, persistent }: Call<'createSession'>['body']): Policy =>
  policy ?? (persistent ? 'on-demand' : 'spot-preferred');

/**
 * Refuses what the provider's boxes cannot be. How a machine is bought is for each provider to make something of: where there is no
 * market every policy is met.
 * @throws DevctlError invalid_request
 */
export function assertOffered({ deps, body }: Call<'createSession'>): void {
  const { offers, providerName: provider } = deps.config;
  const issues: Issue[] = [];
  if (body.arch !== undefined && !offers.architectures.includes(body.arch))
    issues.push({ field: 'arch', message: `is not that of a ${provider} box: ${offers.architectures.join(' or ')}`, got: body.arch });
  if (body.instanceTypes !== undefined && !offers.instanceTypes)
    issues.push({
      field: 'instanceTypes',
      message: `means nothing to the ${provider} provider, whose boxes have no types: give a size`,
      got: body.instanceTypes.join(', '),
    });
  if (body.persistent && policyOf(body) !== 'on-demand')
    issues.push({
      field: 'policy',
      message: 'is not possible for a persistent session, whose machine is stopped and kept: on-demand',
      got: body.policy ?? '',
    });
  const wanted = (['secrets', 'awsCredentials'] as const).filter((field) => (field === 'secrets' ? body.secrets.length > 0 : body[field]));
  if (wanted.length > 0 && !offers.awsRole)
    issues.push(
      ...wanted.map((field) => ({
        field,
        message: `is for boxes with a role in an AWS account, and a ${provider} box has none: give a command what it needs with devctl exec --env NAME`,
      })),
    );
  if (issues.length > 0) throw invalidRequest(issues);
}
