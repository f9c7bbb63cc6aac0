import { Duration, RemovalPolicy } from 'aws-cdk-lib';
import { BuildSpec, ComputeType, LinuxBuildImage, Project } from 'aws-cdk-lib/aws-codebuild';
import { Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { Alias } from 'aws-cdk-lib/aws-kms';
import { LogGroup, RetentionDays } from 'aws-cdk-lib/aws-logs';
import type { Bucket } from 'aws-cdk-lib/aws-s3';
import { Construct } from 'constructs';
import { BUILD_SOURCES, BUILD_VARIABLES, type Names } from '../names.ts';

const TIMEOUT = Duration.minutes(60);
const QUEUED_MAX = Duration.minutes(30);

/** Whoever starts a build says what it runs, and where in the bucket its source is; both are looked at before anything is done. */
const COMMANDS = [
  `case "$SOURCE_KEY" in ${BUILD_SOURCES}*.zip) ;; *) echo "SOURCE_KEY must be ${BUILD_SOURCES}….zip" >&2; exit 2;; esac`,
  '[ -n "$COMMAND" ] || { echo "COMMAND is empty" >&2; exit 2; }',
  'aws s3 cp --only-show-errors "s3://$BUCKET/$SOURCE_KEY" /tmp/source.zip',
  'mkdir /tmp/source && unzip -q /tmp/source.zip -d /tmp/source',
  'cd /tmp/source && timeout 3500 bash -euo pipefail -c "$COMMAND"',
];

interface FallbackProps {
  names: Names;
  bucket: Bucket;
}

/**
 * Where a command runs when no machine can be had: CodeBuild, by the minute, with a zip from the bucket. It has the credentials of a
 * role that may read that and write its log.
 */
export class Fallback extends Construct {
  constructor(scope: Construct, id: string, { names, bucket }: FallbackProps) {
    super(scope, id);
    const logGroup = new LogGroup(this, 'Logs', {
      logGroupName: names.logGroups.build,
      retention: RetentionDays.ONE_WEEK,
      removalPolicy: RemovalPolicy.RETAIN,
    });
    const project = new Project(this, 'Project', {
      projectName: names.buildProject,
      role: new Role(this, 'Role', {
        roleName: names.buildRole,
        description: `Builds of ${names.deployment}`,
        assumedBy: new ServicePrincipal('codebuild.amazonaws.com'),
      }),
      description: `Commands of ${names.deployment} for which there was no machine`,
      environment: { buildImage: LinuxBuildImage.STANDARD_7_0, computeType: ComputeType.SMALL, privileged: false },
      environmentVariables: {
        BUCKET: { value: bucket.bucketName },
        ...Object.fromEntries(BUILD_VARIABLES.map((name) => [name, { value: '' }])),
      },
      buildSpec: BuildSpec.fromObject({ version: '0.2', phases: { build: { commands: COMMANDS } } }),
      timeout: TIMEOUT,
      queuedTimeout: QUEUED_MAX,
      concurrentBuildLimit: 1,
      grantReportGroupPermissions: false,
      encryptionKey: Alias.fromAliasName(this, 'KeyOfS3', 'alias/aws/s3'),
      logging: { cloudWatch: { logGroup } },
    });
    bucket.grantRead(project, `${BUILD_SOURCES}*`);
  }
}
