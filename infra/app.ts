import { App, CliCredentialsStackSynthesizer } from 'aws-cdk-lib';
import type { TargetConfig } from './config.ts';
import { type Names, namesOf } from './names.ts';
import { AssetsStack } from './stack/assets.ts';
import { ANY_ACCOUNT, DevctlStack } from './stack/stack.ts';

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
  const assets = new AssetsStack(app, names.assetsStack, { names, config });
  const stack = new DevctlStack(app, names.stack, {
    names,
    config,
    codeFolder,
    synthesizer: new CliCredentialsStackSynthesizer({ fileAssetsBucketName: names.assetsBucket, qualifier: names.cdkQualifier }),
  });
  return { app, names, stack, assets };
}
