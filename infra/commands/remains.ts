import { DescribeImagesCommand, DescribeSnapshotsCommand, DescribeVolumesCommand } from '@aws-sdk/client-ec2';
import type { Names } from '../names.ts';
import type { Account } from './account.ts';
import { snapshotUsd, volumeUsd } from './money.ts';

const PAGES_MAX = 100;

interface Pile {
  count: number;
  gib: number;
}

/** What a deployment leaves in an account, with its price and the way to be rid of it: lines for people. */
export async function remains(account: Account, names: Names): Promise<string[]> {
  const { ec2 } = account;
  const { deployment } = names;
  const tagged = (key: string) => [{ Name: `tag:${key}`, Values: [deployment] }];
  const Filters = tagged('devctl:deployment');
  const volumes = await pile(async (NextToken) => {
    const page = await ec2.send(new DescribeVolumesCommand({ Filters, NextToken }));
    return { sizes: (page.Volumes ?? []).map(({ Size }) => Size ?? 0), next: page.NextToken };
  });
  const snapshotsOf = (filters: typeof Filters) =>
    pile(async (NextToken) => {
      const page = await ec2.send(new DescribeSnapshotsCommand({ OwnerIds: ['self'], Filters: filters, NextToken }));
      return { sizes: (page.Snapshots ?? []).map(({ VolumeSize }) => VolumeSize ?? 0), next: page.NextToken };
    });
  const snapshots = await snapshotsOf(Filters);
  const { Images: images = [] } = await ec2.send(new DescribeImagesCommand({ Owners: ['self'], Filters: tagged('devctl:image-of') }));
  const imageDisks = await snapshotsOf(tagged('devctl:image-of'));
  return [
    `table ${names.table}, with backups of 35 days: some cents. Gone by: aws dynamodb update-table --table-name ${names.table} --no-deletion-protection-enabled, then delete-table`,
    `${counted(volumes.count, 'volume')} of workspaces, ${volumes.gib} GiB: ${volumeUsd(volumes.gib)}. Gone by: aws ec2 delete-volume for each with the tag devctl:deployment=${deployment}`,
    `${counted(snapshots.count, 'snapshot')} of workspaces of ${snapshots.gib} GiB: ${snapshotUsd(snapshots.gib)} at most. Gone by: aws ec2 delete-snapshot for each with that tag`,
    `${counted(images.length, 'image')} with ${counted(imageDisks.count, 'snapshot')} of ${imageDisks.gib} GiB: ${snapshotUsd(imageDisks.gib)} at most. Gone by: aws ec2 deregister-image and delete-snapshot for each with the tag devctl:image-of=${deployment}`,
    `parameters ${Object.values(names.imageParameters).join(', ')}: nothing. Gone by: aws ssm delete-parameters --names …`,
    `bucket ${names.bucket}: empty by itself in 30 days. Gone by: aws s3 rb --force s3://${names.bucket}`,
    `stack ${names.assetsStack} and its bucket with the launcher's code: less than a cent. Gone by: aws cloudformation delete-stack --stack-name ${names.assetsStack}, then aws s3 rb --force s3://${names.assetsBucket}`,
    `bucket cdk-${names.cdkQualifier}-assets-${names.account}-${names.region}, where boxes have deployed: cents. Gone by: aws s3 rb --force s3://…; a new deployment needs it gone`,
    `log groups ${Object.values(names.logGroups).join(', ')}: empty by themselves in 7 to 30 days. Gone by: aws logs delete-log-group --log-group-name …`,
    `a new deployment of this name takes table, bucket and log groups up again, and finds volumes and snapshots by their tags`,
  ];
}

const counted = (count: number, what: string): string => `${count} ${what}${count === 1 ? '' : 's'}`;

async function pile(page: (next: string | undefined) => Promise<{ sizes: number[]; next: string | undefined }>): Promise<Pile> {
  let count = 0;
  let gib = 0;
  let next: string | undefined;
  for (let pages = 0; pages < PAGES_MAX; pages += 1) {
    const { sizes, next: following } = await page(next);
    count += sizes.length;
    gib += sizes.reduce((sum, size) => sum + size, 0);
    if (!following) return { count, gib };
    next = following;
  }
  throw new Error(`more than ${PAGES_MAX} pages of what is left`);
}
