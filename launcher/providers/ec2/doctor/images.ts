import type { Check } from '../../../contract/api.ts';
import { bad, good, warn } from '../../../contract/checks.ts';
import type { Architecture } from '../../../contract/fields.ts';
import type { Ec2Api, SsmApi } from '../api.ts';
import type { Time } from '../timers.ts';
import { answerIfAny, awsCommand } from './findings.ts';

interface ImageWorld {
  ec2: Ec2Api;
  ssm: Pick<SsmApi, 'getParameter'>;
  time: Time;
  region: string;
}

/** @param source an image (`ami-…`), or the parameter of Systems Manager that names one */
export async function imageCheck({ ec2, ssm, time, region }: ImageWorld, architecture: Architecture, source: string): Promise<Check[]> {
  const name = `image ${architecture}`;
  const isParameter = !source.startsWith('ami-');
  const id = isParameter ? await imageOf(ssm, source) : source;
  const put = (value: string) => awsCommand(region, `ssm put-parameter --name ${source} --type String --overwrite --value ${value}`);
  if (id === null) return [bad(name, `there is no parameter ${source}`, put('ami-…'))];
  const where = isParameter ? `${id} of ${source}` : id;
  const another = isParameter ? put('ami-…') : 'give another image, of this region and account';
  const described = await answerIfAny('ec2:DescribeImages', ec2.describeImages({ ImageIds: [id] }));
  const found = described?.Images?.[0];
  if (found === undefined) return [bad(name, `there is no image ${where} in ${region}, or not for this account`, another)];
  if (found.State !== 'available') return [bad(name, `${where} is ${found.State}`, another)];
  if (found.Architecture !== architecture) return [bad(name, `${where} is of ${found.Architecture}`, another)];
  const deprecatedAt = Date.parse(found.DeprecationTime ?? '');
  if (deprecatedAt <= time.now()) return [warn(name, `${where} is deprecated since ${new Date(deprecatedAt).toISOString()}`, another)];
  return [good(name, `${where} · ${found.Name ?? 'no name'} · made ${found.CreationDate?.slice(0, 10) ?? 'at an unknown time'}`)];
}

async function imageOf(ssm: ImageWorld['ssm'], parameter: string): Promise<string | null> {
  const found = await answerIfAny('ssm:GetParameter', ssm.getParameter({ Name: parameter }));
  return found?.Parameter?.Value ?? null;
}
