import { Aws, CfnOutput, type IStackSynthesizer, Stack, Tags } from 'aws-cdk-lib';
import type { Construct } from 'constructs';
import type { TargetConfig } from '../config.ts';
import type { Names } from '../names.ts';
import { Access } from './access.ts';
import { Boxes } from './boxes.ts';
import { Fallback } from './fallback.ts';
import { Guardrails } from './guardrails.ts';
import { Launcher } from './launcher.ts';
import { Network } from './network.ts';
import { State } from './state.ts';
import { tagsOf } from './tags.ts';
import { DeadLetters, Triggers } from './triggers.ts';

interface DevctlStackProps {
  names: Names;
  config: TargetConfig;
  codeFolder: string;
  synthesizer?: IStackSynthesizer;
}

/** What the commands read back (infra/commands/deploy.ts). */
export const OUTPUTS = {
  url: 'LauncherUrl',
  userPolicy: 'UserPolicyArn',
  cdkExecutionPolicy: 'CdkExecutionPolicyArn',
  subnets: 'Subnets',
  securityGroup: 'SecurityGroup',
  instanceProfile: 'InstanceProfileArn',
} as const;

/** One deployment of devctl in one account and region: everything but the images, the boxes and their disks. */
export class DevctlStack extends Stack {
  constructor(scope: Construct, id: string, { names, config, codeFolder, synthesizer }: DevctlStackProps) {
    const isPlaced = /^\d{12}$/.test(names.account);
    super(scope, id, {
      stackName: names.stack,
      description: `devctl: launcher of the deployment ${names.deployment}`,
      env: isPlaced ? { account: names.account, region: names.region } : {},
      // A deploy from a box reaches other stacks; `npm run destroy` takes this away first.
      terminationProtection: true,
      ...(synthesizer && { synthesizer }),
    });
    // CloudFormation's own list of what a dashboard has does not name tags everywhere yet.
    const excludeResourceTypes = ['AWS::CloudWatch::Dashboard'];
    for (const { key, value } of tagsOf(config)) Tags.of(this).add(key, value, { excludeResourceTypes });
    const network = new Network(this, 'Network', { names, network: config.network });
    const state = new State(this, 'State', names);
    const access = new Access(this, 'Access', { names, config });
    const deadLetters = new DeadLetters(this, 'DeadLetters', names);
    const { api, events, url } = new Launcher(this, 'Launcher', {
      names,
      config,
      role: access.launcherRole,
      subnets: network.subnets,
      deadLetters: deadLetters.calls,
      codeFolder,
    });
    new Triggers(this, 'Triggers', { names, events, deadLetters: deadLetters.rules });
    const { securityGroupId } = network;
    new Boxes(this, 'Boxes', { names, config, instanceProfileArn: access.instanceProfileArn, securityGroupId, url: url.url });
    new Guardrails(this, 'Guardrails', { names, config, api, events, deadLetters });
    if (config.fallback.codeBuild) new Fallback(this, 'Fallback', { names, bucket: state.bucket });
    const tell = (name: string, value: string) => new CfnOutput(this, name, { value });
    tell(OUTPUTS.url, url.url);
    tell(OUTPUTS.userPolicy, access.userPolicyArn);
    tell(OUTPUTS.cdkExecutionPolicy, access.cdkExecutionPolicyArn);
    tell(OUTPUTS.subnets, network.subnets.map(({ id: subnet }) => subnet).join(','));
    tell(OUTPUTS.securityGroup, securityGroupId);
    tell(OUTPUTS.instanceProfile, access.instanceProfileArn);
  }
}

/** Where an account is not known before CloudFormation is asked. */
export const ANY_ACCOUNT = Aws.ACCOUNT_ID;
