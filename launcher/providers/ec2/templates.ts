import { ARCHITECTURES, type Architecture } from '../../contract/fields.ts';
import { ComputeError } from '../../ports/compute.ts';
import type { SsmApi } from './api.ts';
import type { Calls } from './calls.ts';
import type { LaunchTemplate } from './template.ts';
import type { Time } from './timers.ts';

/** One for each architecture that there is an image for; the first is what is launched when nobody says. */
export type Templates = Readonly<Partial<Record<Architecture, LaunchTemplate>>>;

/** What machines are launched by, also where that may change while this process lives. */
export interface TemplateSource {
  readonly architectures: readonly [Architecture, ...Architecture[]];
  /** Of one of its architectures. @throws ComputeError; errors of the SDK */
  of(arch: Architecture): Promise<LaunchTemplate>;
}

/** @throws ComputeError fatal when there is no template at all */
export function fixedTemplates(templates: Templates): TemplateSource {
  return {
    architectures: architecturesIn(templates),
    of: async (arch) => templates[arch] as LaunchTemplate,
  };
}

/** An image that was replaced is launched from no longer than this. */
const IMAGE_KEEP_MS = 5 * 60_000;

interface NamedTemplatesOptions {
  ssm: Calls<SsmApi>;
  time: Time;
  /** By name: they have everything but an image. */
  names: Readonly<Partial<Record<Architecture, string>>>;
  /** Parameters of Systems Manager that each hold the id of an image. */
  imageParameters: Readonly<Partial<Record<Architecture, string>>>;
}

/** Templates of a stack, and the images that their parameters name now. One that cannot be read is what it was. */
export function namedTemplates({ ssm, time, names, imageParameters }: NamedTemplatesOptions): TemplateSource {
  const known = new Map<Architecture, { atMs: number; imageId: string }>();
  const imageOf = async (arch: Architecture): Promise<string> => {
    const kept = known.get(arch);
    if (kept !== undefined && time.now() - kept.atMs < IMAGE_KEEP_MS) return kept.imageId;
    try {
      const imageId = await imageOfParameter(ssm, imageParameters[arch] ?? '');
      known.set(arch, { atMs: time.now(), imageId });
      return imageId;
    } catch (error) {
      if (kept === undefined) throw error;
      return kept.imageId;
    }
  };
  return {
    architectures: architecturesIn(names),
    of: async (arch) => ({ name: names[arch] ?? '', version: '$Default', imageId: await imageOf(arch) }),
  };
}

/** @throws ComputeError fatal when there is none */
function architecturesIn(those: Readonly<Partial<Record<Architecture, unknown>>>): [Architecture, ...Architecture[]] {
  const order = Object.keys(those) as Architecture[];
  const [first, ...others] = order.filter((arch) => ARCHITECTURES.includes(arch) && those[arch] !== undefined);
  if (first === undefined) throw new ComputeError('fatal', 'there is no launch template, so no box can be launched');
  return [first, ...others];
}

async function imageOfParameter(ssm: Calls<SsmApi>, name: string): Promise<string> {
  const { Parameter: parameter } = await ssm.make('getParameter', { Name: name });
  if (parameter?.Value && /^ami-[0-9a-f]{8,17}$/.test(parameter.Value)) return parameter.Value;
  throw new ComputeError('fatal', `the parameter ${name} holds no image`, { hint: 'bake an image: npm run image' });
}
