import * as z from 'zod';

const text = (pattern: RegExp, example: string) => z.string().regex(pattern, `must look like ${example}`);
const parameter = text(/^\/[\w./-]{1,1000}$/, '/devctl/image/x86_64');

/** What `npm run deploy` tells `npm run image` of a launcher in Lambda, which has no file of its own. */
export const imageFileSchema = z.strictObject({
  deployedImages: z.literal(1),
  region: text(/^[a-z]{2}(-[a-z]+)+-\d$/, 'eu-central-1'),
  deployment: text(/^[a-z][a-z0-9-]{0,30}$/, 'team-a'),
  images: z.strictObject({ x86_64: parameter.optional(), arm64: parameter.optional() }),
  subnets: z.array(text(/^subnet-[0-9a-f]{8,17}$/, 'subnet-0123456789abcdef0')).min(1),
  securityGroups: z.array(text(/^sg-[0-9a-f]{8,17}$/, 'sg-0123456789abcdef0')).min(1),
  instanceProfileArn: text(
    /^arn:aws[a-z-]*:iam::\d{12}:instance-profile\/\S{1,600}$/,
    'arn:aws:iam::123456789012:instance-profile/devctl-box',
  ),
});
export type ImageFile = z.output<typeof imageFileSchema>;
