import { Duration, RemovalPolicy } from 'aws-cdk-lib';
import { CfnTable } from 'aws-cdk-lib/aws-dynamodb';
import { BlockPublicAccess, Bucket, BucketEncryption, ObjectOwnership } from 'aws-cdk-lib/aws-s3';
import { Construct } from 'constructs';
import type { Names } from '../names.ts';

const BUCKET_DAYS = 30;

/**
 * What outlives a launcher: its records, and for 30 days the logs and the files under way. Both stay when the stack goes, and a later
 * stack of the same name takes them up again.
 */
export class State extends Construct {
  readonly bucket: Bucket;

  constructor(scope: Construct, id: string, names: Names) {
    super(scope, id);
    table(this, names.table);
    this.bucket = new Bucket(this, 'Bucket', {
      bucketName: names.bucket,
      encryption: BucketEncryption.S3_MANAGED,
      enforceSSL: true,
      minimumTLSVersion: 1.2,
      blockPublicAccess: BlockPublicAccess.BLOCK_ALL,
      objectOwnership: ObjectOwnership.BUCKET_OWNER_ENFORCED,
      lifecycleRules: [{ expiration: Duration.days(BUCKET_DAYS), abortIncompleteMultipartUploadAfter: Duration.days(1) }],
      // A bucket with files in it cannot be deleted by CloudFormation; this one empties itself.
      removalPolicy: RemovalPolicy.RETAIN,
    });
  }
}

/** As launcher/stores/dynamo/table.ts has it: a test compares the two. */
function table(scope: Construct, tableName: string): void {
  const made = new CfnTable(scope, 'Table', {
    tableName,
    billingMode: 'PAY_PER_REQUEST',
    attributeDefinitions: [
      { attributeName: 'pk', attributeType: 'S' },
      { attributeName: 'sk', attributeType: 'S' },
      { attributeName: 'liveShard', attributeType: 'S' },
      { attributeName: 'lookAt', attributeType: 'N' },
    ],
    keySchema: [
      { attributeName: 'pk', keyType: 'HASH' },
      { attributeName: 'sk', keyType: 'RANGE' },
    ],
    globalSecondaryIndexes: [
      {
        indexName: 'due',
        keySchema: [
          { attributeName: 'liveShard', keyType: 'HASH' },
          { attributeName: 'lookAt', keyType: 'RANGE' },
        ],
        projection: { projectionType: 'KEYS_ONLY' },
      },
    ],
    timeToLiveSpecification: { attributeName: 'expirySec', enabled: true },
    pointInTimeRecoverySpecification: { pointInTimeRecoveryEnabled: true },
    deletionProtectionEnabled: true,
  });
  made.applyRemovalPolicy(RemovalPolicy.RETAIN);
}
