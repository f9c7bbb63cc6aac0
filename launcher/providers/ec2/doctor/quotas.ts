import type { Check } from '../../../contract/api.ts';
import { bad, good, warn } from '../../../contract/checks.ts';
import { SIZES, type Size } from '../../../contract/fields.ts';
import type { AccountApi } from '../api.ts';
import { answer, awsCommand } from './findings.ts';

const QUOTAS = {
  spot: { name: 'spot quota', code: 'L-34B43A08' },
  'on-demand': { name: 'on-demand quota', code: 'L-1216C47A' },
} as const;

/** What is asked for where there is too little: room for eight of the largest class. */
const DESIRED_VCPUS = 64;
/** Machines of the smallest class have one or two. */
const LEAST_VCPUS = 2;

const vcpusOf = (size: Size): number => Math.max(LEAST_VCPUS, SIZES[size].cpus);

/** How many boxes the account may have at once. */
export async function quotaCheck(account: AccountApi, region: string, market: keyof typeof QUOTAS): Promise<Check[]> {
  const { name, code } = QUOTAS[market];
  const vcpus = await answer('servicequotas:GetServiceQuota', account.ec2Quota(code));
  const words = `service-quotas request-service-quota-increase --service-code ec2 --quota-code ${code} --desired-value ${DESIRED_VCPUS}`;
  const fix = awsCommand(region, words);
  const detail = `${vcpus} vCPU: ${fits(vcpus)}`;
  if (vcpus < LEAST_VCPUS) return [bad(name, detail, fix)];
  return [Object.keys(SIZES).every((size) => vcpus >= vcpusOf(size as Size)) ? good(name, detail) : warn(name, detail, fix)];
}

/** `2 boxes of small or medium, or 1 of large; none of xlarge` */
function fits(vcpus: number): string {
  const sizesByCount = new Map<number, Size[]>();
  for (const size of Object.keys(SIZES) as Size[]) {
    const count = Math.floor(vcpus / vcpusOf(size));
    sizesByCount.set(count, [...(sizesByCount.get(count) ?? []), size]);
  }
  const tooLarge = sizesByCount.get(0) ?? [];
  sizesByCount.delete(0);
  if (sizesByCount.size === 0) return 'no box of any size';
  const [first = '', ...others] = [...sizesByCount].map(([count, sizes], index) => {
    const boxes = index > 0 ? '' : count === 1 ? ' box' : ' boxes';
    return `${count}${boxes} of ${sizes.join(' or ')}`;
  });
  const some = [first, ...others].join(', or ');
  return tooLarge.length === 0 ? some : `${some}; none of ${tooLarge.join(' or ')}`;
}
