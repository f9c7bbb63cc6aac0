import {
  DeleteLaunchTemplateCommand,
  DeleteSnapshotCommand,
  DeregisterImageCommand,
  DescribeImagesCommand,
  DescribeInstancesCommand,
  DescribeLaunchTemplatesCommand,
  DescribeLaunchTemplateVersionsCommand,
  DescribeSnapshotsCommand,
  type EC2Client,
  type Image,
  type LaunchTemplate,
  type LaunchTemplateVersion,
} from '@aws-sdk/client-ec2';
import { GetParameterCommand, PutParameterCommand, type SSMClient } from '@aws-sdk/client-ssm';

/** Images, and their snapshots, carry the deployment in this tag: what has the launcher's own, the launcher lets go when it does not know it. */
export const IMAGE_OF = 'devctl:image-of';
/** Tag of the launcher on the launch templates of a deployment. */
const DEPLOYMENT = 'devctl:deployment';

const PAGES_MAX = 100;
/** A bake has its snapshot before it has its image. */
const STRAY_AFTER_MS = 24 * 3_600_000;
const ALIVE = ['pending', 'running', 'stopping', 'stopped', 'shutting-down'];
/** What says that it has gone already. */
const GONE = new Set(['InvalidAMIID.NotFound', 'InvalidAMIID.Unavailable', 'InvalidSnapshot.NotFound', 'InvalidLaunchTemplateId.NotFound']);

export type Architecture = 'x86_64' | 'arm64';

export interface ImagesOptions {
  ec2: EC2Client;
  ssm: SSMClient;
  deployment: string;
  arch: Architecture;
  /** Parameter of Systems Manager that the launcher reads. */
  parameter: string;
  now: () => number;
}

export interface Pruned {
  removed: string[];
  /** Images that would have gone, with what uses them. */
  spared: { id: string; why: string }[];
  /** Snapshots of images that are no more. */
  strays: string[];
}

/** The images of one deployment and architecture: which one is published, and how many of the old ones are kept. */
export class Images {
  readonly #options: ImagesOptions;

  constructor(options: ImagesOptions) {
    this.#options = options;
  }

  /** The image that launchers take; null when none is published. */
  async published(): Promise<string | null> {
    try {
      const { Parameter: parameter } = await this.#options.ssm.send(new GetParameterCommand({ Name: this.#options.parameter }));
      return parameter?.Value ?? null;
    } catch (error) {
      if (nameOf(error) === 'ParameterNotFound') return null;
      throw error;
    }
  }

  /** Makes an image the one that launchers take; twice is once. @returns the one before, for the way back. @throws Error for an image that no box should boot */
  async publish(imageId: string): Promise<string | null> {
    const { ec2, ssm, parameter } = this.#options;
    const { Images: found = [] } = await ec2.send(new DescribeImagesCommand({ ImageIds: [imageId] }));
    const faults = this.#faultsOf(found[0]);
    if (faults.length > 0) throw new Error(`${imageId} is not published: ${faults.join('; ')}`);
    const before = await this.published();
    if (before === imageId) return before;
    await ssm.send(new PutParameterCommand({ Name: parameter, Value: imageId, Type: 'String', Overwrite: true }));
    return before;
  }

  #faultsOf(image: Image | undefined): string[] {
    const { deployment, arch } = this.#options;
    if (image === undefined) return ['there is no such image in this region, or not for this account'];
    const faults: string[] = [];
    if (image.State !== 'available') faults.push(`it is ${image.State}, and not available`);
    if (image.Architecture !== arch) faults.push(`it is of ${image.Architecture}, and not of ${arch}`);
    if (tag(image, IMAGE_OF) !== deployment)
      faults.push(`its tag ${IMAGE_OF} is ${tag(image, IMAGE_OF) ?? 'missing'}, and not ${deployment}`);
    if (image.Public) faults.push('it is public');
    return faults;
  }

  /**
   * Deregisters what is older than the newest `keep`, and deletes its snapshots. The published image, and one that an instance or a launch
   * template of the deployment has, stay. Nothing goes when anything could not be looked at.
   * @param forgetTemplates deletes the templates of images that would go otherwise: right when every launcher was started since they were published
   */
  async prune(keep: number, forgetTemplates = false): Promise<Pruned> {
    const images = await this.#own();
    const published = await this.published();
    const inInstances = await this.#inInstances(images);
    const templates = await this.#templates();
    const pruned: Pruned = { removed: [], spared: [], strays: [] };
    for (const image of images.slice(keep)) {
      const id = image.ImageId ?? '';
      const own = templates.filter(({ images: of }) => of.includes(id));
      const instance = inInstances.get(id);
      if (id === published) continue;
      if (instance !== undefined) pruned.spared.push({ id, why: `${instance} was started from it` });
      else if (own.length > 0 && !forgetTemplates)
        pruned.spared.push({ id, why: `launch template ${own.map(({ name }) => name).join(', ')} names it` });
      else {
        for (const template of own) await this.#gone(new DeleteLaunchTemplateCommand({ LaunchTemplateId: template.id }));
        await this.#remove(image);
        pruned.removed.push(id);
      }
    }
    pruned.strays = await this.#sweepStrays();
    return pruned;
  }

  /** Newest first. */
  async #own(): Promise<Image[]> {
    const { deployment, arch } = this.#options;
    const images = await this.#everyImage(deployment);
    return images
      .filter((image) => image.Architecture === arch)
      .sort((a, b) => (b.CreationDate ?? '').localeCompare(a.CreationDate ?? '') || (b.ImageId ?? '').localeCompare(a.ImageId ?? ''));
  }

  #everyImage(deployment: string): Promise<Image[]> {
    const Filters = [{ Name: `tag:${IMAGE_OF}`, Values: [deployment] }];
    return every(async (NextToken) => {
      const page = await this.#options.ec2.send(new DescribeImagesCommand({ Owners: ['self'], Filters, NextToken }));
      return { items: page.Images ?? [], next: page.NextToken };
    });
  }

  /** An instance of each image that has one: boxes, boxes in reserve and parked ones, and whatever else was started from it. */
  async #inInstances(images: Image[]): Promise<Map<string, string>> {
    if (images.length === 0) return new Map();
    const Filters = [
      { Name: 'image-id', Values: images.map(({ ImageId }) => ImageId ?? '') },
      { Name: 'instance-state-name', Values: ALIVE },
    ];
    const instances = await every(async (NextToken) => {
      const page = await this.#options.ec2.send(new DescribeInstancesCommand({ Filters, NextToken }));
      return { items: (page.Reservations ?? []).flatMap((reservation) => reservation.Instances ?? []), next: page.NextToken };
    });
    return new Map(instances.map(({ ImageId = '', InstanceId = '' }) => [ImageId, InstanceId]));
  }

  /** The launch templates of the deployment, with the images that any of their versions names. */
  async #templates(): Promise<{ id: string; name: string; images: string[] }[]> {
    const { ec2, deployment } = this.#options;
    const Filters = [{ Name: `tag:${DEPLOYMENT}`, Values: [deployment] }];
    const templates = await every<LaunchTemplate>(async (NextToken) => {
      const page = await ec2.send(new DescribeLaunchTemplatesCommand({ Filters, NextToken }));
      return { items: page.LaunchTemplates ?? [], next: page.NextToken };
    });
    const found: { id: string; name: string; images: string[] }[] = [];
    for (const { LaunchTemplateId: id = '', LaunchTemplateName: name = id } of templates) {
      const versions = await every<LaunchTemplateVersion>(async (NextToken) => {
        const page = await ec2.send(new DescribeLaunchTemplateVersionsCommand({ LaunchTemplateId: id, NextToken }));
        return { items: page.LaunchTemplateVersions ?? [], next: page.NextToken };
      });
      found.push({ id, name, images: versions.flatMap(({ LaunchTemplateData: data }) => data?.ImageId ?? []) });
    }
    return found;
  }

  /** The image first: a snapshot that an image has cannot be deleted. What is left by an end in between is a stray of the next time. */
  async #remove(image: Image): Promise<void> {
    await this.#gone(new DeregisterImageCommand({ ImageId: image.ImageId }));
    for (const SnapshotId of snapshotsOf(image)) await this.#gone(new DeleteSnapshotCommand({ SnapshotId }));
  }

  /** Snapshots of the deployment's images that no image has any more. */
  async #sweepStrays(): Promise<string[]> {
    const { ec2, deployment, now } = this.#options;
    const Filters = [{ Name: `tag:${IMAGE_OF}`, Values: [deployment] }];
    const snapshots = await every(async (NextToken) => {
      const page = await ec2.send(new DescribeSnapshotsCommand({ OwnerIds: ['self'], Filters, NextToken }));
      return { items: page.Snapshots ?? [], next: page.NextToken };
    });
    // After the snapshots: an image that has come meanwhile has its snapshot in this list.
    const used = new Set((await this.#everyImage(deployment)).flatMap(snapshotsOf));
    const strays = snapshots
      .filter(({ SnapshotId: id = '', StartTime: at }) => !used.has(id) && now() - (at?.getTime() ?? now()) > STRAY_AFTER_MS)
      .map(({ SnapshotId = '' }) => SnapshotId);
    for (const SnapshotId of strays) await this.#gone(new DeleteSnapshotCommand({ SnapshotId }));
    return strays;
  }

  /** What has gone already is gone. */
  async #gone(command: DeregisterImageCommand | DeleteSnapshotCommand | DeleteLaunchTemplateCommand): Promise<void> {
    try {
      // The client has no common type for its commands.
      await this.#options.ec2.send(command as DeleteSnapshotCommand);
    } catch (error) {
      if (!GONE.has(nameOf(error))) throw error;
    }
  }
}

const tag = ({ Tags: tags = [] }: Image, key: string): string | undefined => tags.find(({ Key }) => Key === key)?.Value;
const nameOf = (error: unknown): string => (error instanceof Error ? error.name : '');
const snapshotsOf = ({ BlockDeviceMappings: mappings = [] }: Image): string[] => mappings.flatMap(({ Ebs }) => Ebs?.SnapshotId ?? []);

/** @throws Error when there are more pages than anybody has: a list that is cut decides nothing */
async function every<Item>(page: (next: string | undefined) => Promise<{ items: Item[]; next: string | undefined }>): Promise<Item[]> {
  const all: Item[] = [];
  let next: string | undefined;
  for (let pages = 0; pages < PAGES_MAX; pages += 1) {
    const { items, next: following } = await page(next);
    all.push(...items);
    if (!following) return all;
    next = following;
  }
  throw new Error(`more than ${PAGES_MAX} pages: nothing is done with a list that is cut`);
}
