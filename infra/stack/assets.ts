import { type App, BootstraplessSynthesizer, RemovalPolicy, Stack, Tags } from 'aws-cdk-lib';
import { BlockPublicAccess, Bucket, BucketEncryption, ObjectOwnership } from 'aws-cdk-lib/aws-s3';
import type { TargetConfig } from '../config.ts';
import type { Names } from '../names.ts';
import { tagsOf } from './tags.ts';

/**
 * The bucket from which CloudFormation takes the launcher's code: all that this deploy needs of a bootstrap. With no roles of its own a deploy
 * is what its person may do, and no role that may do everything stays behind in the account.
 */
export class AssetsStack extends Stack {
  constructor(scope: App, id: string, { names, config }: { names: Names; config: TargetConfig }) {
    const isPlaced = /^\d{12}$/.test(names.account);
    super(scope, id, {
      stackName: names.assetsStack,
      description: `devctl: code of the launcher of the deployment ${names.deployment}`,
      env: isPlaced ? { account: names.account, region: names.region } : {},
      synthesizer: new BootstraplessSynthesizer(),
    });
    for (const { key, value } of tagsOf(config)) Tags.of(this).add(key, value);
    new Bucket(this, 'Bucket', {
      bucketName: names.assetsBucket,
      encryption: BucketEncryption.S3_MANAGED,
      enforceSSL: true,
      minimumTLSVersion: 1.2,
      blockPublicAccess: BlockPublicAccess.BLOCK_ALL,
      objectOwnership: ObjectOwnership.BUCKET_OWNER_ENFORCED,
      // Code stays, so that an update that fails has a way back.
      removalPolicy: RemovalPolicy.RETAIN,
    });
  }
}
