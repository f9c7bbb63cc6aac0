import type { Architecture } from '../../launcher/contract/fields.ts';
import type { ImageFile } from '../../launcher/contract/image-file.ts';
import type { TargetConfig } from '../config.ts';
import type { Names } from '../names.ts';

interface Deployed {
  names: Names;
  config: TargetConfig;
  outputs: { subnets: string; securityGroup: string; instanceProfile: string };
}

/** What a bake has to know (docs/IMAGE.md). */
export function imageFileOf({ names, config, outputs }: Deployed): ImageFile {
  const { region, deployment, imageParameters } = names;
  return {
    deployedImages: 1,
    region,
    deployment,
    images: Object.fromEntries(config.architectures.map((arch) => [arch, imageParameters[arch]])),
    subnets: outputs.subnets.split(','),
    securityGroups: [outputs.securityGroup],
    instanceProfileArn: outputs.instanceProfile,
  };
}

/** What bakes an image, as it is typed in the folder of the repository. */
export function bakeLine(file: string, arch: Architecture, profile: string | undefined): string {
  const quoted = profile === undefined || /^[\w.@/+-]+$/.test(profile) ? profile : `'${profile.replaceAll("'", `'\\''`)}'`;
  return `${quoted === undefined ? '' : `AWS_PROFILE=${quoted} `}npm run image -- bake --arch ${arch} --config ${file}`;
}
