import { App, CliCredentialsStackSynthesizer } from 'aws-cdk-lib';
import type { TargetConfig } from './config.ts';
import { type Names, namesOf } from './names.ts';
import { AssetsStack } from './stack/assets.ts';
import { ANY_ACCOUNT, DevctlStack } from './stack/stack.ts';

/** How the CDK calls the account in names of buckets, where CloudFormation's own word cannot stand. */
const PLACE_OF_ACCOUNT = `$\{AWS::AccountId}`;

interface SynthesisProps {
  config: TargetConfig;
  /** Null: CloudFormation fills it in. */
  account: string | null;
  /** Folder with the launcher's functions: dist/lambda. */
  codeFolder: string;
  /** Folder of the cloud assembly. */
  outFolder?: string;
}

export interface Deployment {
  app: App;
  names: Names;
  stack: DevctlStack;
  assets: AssetsStack;
}

/** The stack of a deployment, and the one with the bucket for its code. Nothing is looked up anywhere. */
export function defineDeployment({ config, account, codeFolder, outFolder }: SynthesisProps): Deployment {
  const names = namesOf(config.deployment, { account: account ?? ANY_ACCOUNT, region: config.region });
  const app = new App({ analyticsReporting: false, treeMetadata: false, ...(outFolder !== undefined && { outdir: outFolder }) });
  // The CDK fills in a place of its own here.
  const fileAssetsBucketName = namesOf(config.deployment, { account: account ?? PLACE_OF_ACCOUNT, region: config.region }).assetsBucket;
  const assets = new AssetsStack(app, names.assetsStack, { names, config });
  const stack = new DevctlStack(app, names.stack, {
    names,
    config,
    codeFolder,
    synthesizer: new CliCredentialsStackSynthesizer({ fileAssetsBucketName, qualifier: names.cdkQualifier }),
  });
  return { app, names, stack, assets };
}
