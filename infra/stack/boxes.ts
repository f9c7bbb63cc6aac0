import { Fn, RemovalPolicy } from 'aws-cdk-lib';
import { CfnLaunchTemplate } from 'aws-cdk-lib/aws-ec2';
import { LogGroup, RetentionDays } from 'aws-cdk-lib/aws-logs';
import { CfnDocument } from 'aws-cdk-lib/aws-ssm';
import { Construct } from 'constructs';
import type { BoxUserData } from '../../launcher/contract/agent-config.ts';
import type { TargetConfig } from '../config.ts';
import type { Names } from '../names.ts';
import { tagsOf } from './tags.ts';

/** Of Ubuntu's images, and so of ours (packer/box.pkr.hcl). */
const ROOT_DEVICE = '/dev/sda1';
/** Minutes, as the document wants them: a session that nobody types into, and the longest one. */
const IDLE_MIN = '60';
const SESSION_MIN = '1440';

interface BoxesProps {
  names: Names;
  config: TargetConfig;
  instanceProfileArn: string;
  securityGroupId: string;
  /** Of the launcher. */
  url: string;
}

/** What machines are started from, and how people are let into them. Which image that is, the parameters of Systems Manager say, and no template. */
export class Boxes extends Construct {
  constructor(scope: Construct, id: string, props: BoxesProps) {
    super(scope, id);
    for (const arch of props.config.architectures) this.#template(arch, props);
    this.#sessions(props.names);
  }

  /** As launcher/providers/ec2/template.ts has it, without an image: a test compares the two. */
  #template(arch: 'x86_64' | 'arm64', { names, config, instanceProfileArn, securityGroupId, url }: BoxesProps): void {
    const userData: BoxUserData = { devctl: 1, deployment: names.deployment, launcherUrl: url };
    // Without the deployment's tag the launcher may neither use a template nor tag what it starts (infra/access/launcher.ts).
    const tags = [...tagsOf(config), { key: 'devctl:deployment', value: names.deployment }];
    new CfnLaunchTemplate(this, `Template_${arch}`, {
      launchTemplateName: names.launchTemplates[arch],
      versionDescription: `Boxes of ${names.deployment}, ${arch}`,
      launchTemplateData: {
        instanceInitiatedShutdownBehavior: 'terminate',
        // One hop: a container on the box does not reach the metadata service.
        metadataOptions: { httpEndpoint: 'enabled', httpTokens: 'required', httpPutResponseHopLimit: 1, instanceMetadataTags: 'enabled' },
        networkInterfaces: [{ deviceIndex: 0, associatePublicIpAddress: true, groups: [securityGroupId], deleteOnTermination: true }],
        blockDeviceMappings: [{ deviceName: ROOT_DEVICE, ebs: { encrypted: true, volumeType: 'gp3', deleteOnTermination: true } }],
        iamInstanceProfile: { arn: instanceProfileArn },
        userData: Fn.base64(JSON.stringify(userData)),
        // Instances and volumes are tagged by the launcher, with whose they are.
        tagSpecifications: [{ resourceType: 'network-interface', tags }],
      },
      tagSpecifications: [{ resourceType: 'launch-template', tags }],
    });
  }

  /** Source: AWS Systems Manager, "Session document schema". */
  #sessions(names: Names): void {
    new LogGroup(this, 'SessionLogs', {
      logGroupName: names.logGroups.sessions,
      retention: RetentionDays.ONE_MONTH,
      removalPolicy: RemovalPolicy.RETAIN,
    });
    new LogGroup(this, 'BoxLogs', {
      logGroupName: names.logGroups.boxes,
      // As packer/files/etc/devctl/cloudwatch.json says too.
      retention: RetentionDays.ONE_MONTH,
      removalPolicy: RemovalPolicy.RETAIN,
    });
    new CfnDocument(this, 'SessionDocument', {
      name: names.sessionDocument,
      documentType: 'Session',
      documentFormat: 'JSON',
      updateMethod: 'NewVersion',
      content: {
        schemaVersion: '1.0',
        description: `Terminals on boxes of ${names.deployment}`,
        sessionType: 'Standard_Stream',
        inputs: {
          cloudWatchLogGroupName: names.logGroups.sessions,
          // True would ask for a key of one's own on the group, at $1 a month: what is at rest there is encrypted with that of AWS.
          cloudWatchEncryptionEnabled: false,
          cloudWatchStreamingEnabled: true,
          s3BucketName: '',
          s3KeyPrefix: '',
          s3EncryptionEnabled: true,
          kmsKeyId: '',
          runAsEnabled: true,
          runAsDefaultUser: 'dev',
          idleSessionTimeout: IDLE_MIN,
          maxSessionDuration: SESSION_MIN,
          shellProfile: { linux: 'cd /workspace 2>/dev/null; exec bash -l' },
        },
      },
    });
  }
}
