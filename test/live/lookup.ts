import type { Ec2Api, SsmApi } from '../../launcher/providers/ec2/api.ts';
import type { LiveSettings } from './settings.ts';

export async function imageIdOf(ssm: Pick<SsmApi, 'getParameter'>, { image }: LiveSettings): Promise<string> {
  if (image.startsWith('ami-')) return image;
  return (await ssm.getParameter({ Name: image })).Parameter?.Value ?? '';
}

export async function subnetsOf(ec2: Ec2Api, { subnetIds }: LiveSettings): Promise<Array<{ id: string; az: string }>> {
  const { Subnets = [] } = await ec2.describeSubnets({ Filters: [{ Name: 'subnet-id', Values: subnetIds }] });
  return Subnets.map(({ SubnetId: id = '', AvailabilityZone: az = '' }) => ({ id, az }));
}
