import type { AccountApi, Ec2Api, SsmApi } from '../../launcher/providers/ec2/api.ts';
import { Account } from './account.ts';
import { Attachments } from './attach.ts';
import { REGION, type SimImage } from './catalog.ts';
import { Cloud, type CloudOptions } from './cloud.ts';
import { AwsRefusal, refusal } from './errors.ts';
import { ANSWER_LOST_MS, type Step } from './figures.ts';
import { Fleets } from './fleet.ts';
import { Hands } from './hands.ts';
import { Instances } from './instances.ts';
import { Launches } from './launch.ts';
import { type Call, isMutating } from './ledger.ts';
import { Lookups } from './lookups.ts';
import type { Boot, Machine } from './machine.ts';
import { Network } from './network.ts';
import { Snapshots } from './snapshots.ts';
import { Ssm } from './ssm.ts';
import { Volumes } from './volumes.ts';

export interface SimulatedAwsOptions extends CloudOptions {
  /** What runs on every instance that comes up. */
  boot?: Boot;
}

const ROOT_GIB = 8;

/**
 * An AWS account in memory, behind the same interfaces as the real one, and harsher: what AWS does not promise does not
 * hold. It starts with a network, one image for each architecture, and nothing else. Everything in it follows from the
 * seed and the calls. What it does wrong is told to `cloud.faults`; what happens without a call is in `hands`; what was asked is in
 * `cloud.ledger`, what it cost in `cloud.meter`.
 */
export class SimulatedAws {
  readonly cloud: Cloud;
  readonly ec2: Ec2Api;
  readonly ssm: SsmApi;
  readonly accountApi: AccountApi;
  readonly account: Account;
  readonly hands: Hands;
  readonly region = REGION;
  readonly #snapshots: Snapshots;
  readonly #attachments: Attachments;
  readonly #instances: Instances;

  constructor(options: SimulatedAwsOptions = {}) {
    const cloud = new Cloud(options);
    this.cloud = cloud;
    const volumes = new Volumes(cloud);
    this.#instances = new Instances(cloud, volumes);
    this.#attachments = new Attachments(cloud, volumes, this.#instances.need);
    this.#instances.attachments = this.#attachments;
    if (options.boot) this.#instances.boot = options.boot;
    this.#snapshots = new Snapshots(cloud, volumes);
    const launches = new Launches(cloud, volumes, this.#attachments, this.#instances);
    this.hands = new Hands(cloud, this.#instances, volumes, this.#attachments);
    const lookups = new Lookups(cloud);
    this.ec2 = this.#ec2(volumes, launches, new Fleets(cloud, launches), lookups);
    this.ssm = this.#ssm(new Ssm(cloud));
    this.account = new Account(cloud);
    this.accountApi = this.#accountApi(this.account);
    cloud.catalog.addNetwork();
    this.addImage('x86_64');
    this.addImage('arm64');
  }

  /** An image of the account, on a root snapshot of its own. */
  addImage(architecture: SimImage['architecture'], patch: Partial<SimImage> = {}): SimImage {
    const image = { fileSystem: 'root', files: {}, damaged: false };
    const root = this.#snapshots.put({ image, volumeSizeGiB: ROOT_GIB, description: `image of ${architecture}` });
    const made: SimImage = {
      id: this.cloud.id('ami'),
      name: `devctl-${architecture}`,
      architecture,
      rootDevice: '/dev/xvda',
      rootSnapshotId: root.id,
      createdAtMs: this.cloud.clock.now(),
      tags: {},
      ...patch,
    };
    this.cloud.catalog.images.set(made.id, made);
    return made;
  }

  /** A snapshot that is there from before, of this or another account. */
  get addSnapshot(): Snapshots['put'] {
    return (patch) => this.#snapshots.put(patch);
  }

  /** The machine that runs on an instance now. */
  machineOf(instanceId: string): Machine | null {
    return this.cloud.instances.get(instanceId)?.power?.machine ?? null;
  }

  /** A volume that hangs on its way on or off comes through. */
  unstick(volumeId: string): void {
    this.#attachments.unstick(volumeId);
  }

  #ec2(volumes: Volumes, launches: Launches, fleets: Fleets, lookups: Lookups): Ec2Api {
    const instances = this.#instances;
    const snapshots = this.#snapshots;
    const attachments = this.#attachments;
    const network = new Network(this.cloud);
    return {
      createFleet: (input) => this.#call('createFleet', input, () => fleets.create(input), 'createFleet'),
      runInstances: (input) => this.#call('runInstances', input, () => launches.run(input), 'runInstances'),
      startInstances: (input) => this.#call('startInstances', input, () => instances.start(input)),
      stopInstances: (input) => this.#call('stopInstances', input, () => instances.stop(input)),
      terminateInstances: (input) => this.#call('terminateInstances', input, () => instances.terminate(input)),
      describeInstances: (input) => this.#call('describeInstances', input, () => instances.describe(input)),
      describeSpotInstanceRequests: (input) =>
        this.#call('describeSpotInstanceRequests', input, () => instances.describeSpotRequests(input)),
      createVolume: (input) => this.#call('createVolume', input, () => volumes.create(input)),
      copyVolumes: (input) => this.#call('copyVolumes', input, () => volumes.copy(input)),
      attachVolume: (input) => this.#call('attachVolume', input, () => attachments.attach(input)),
      detachVolume: (input) => this.#call('detachVolume', input, () => attachments.detach(input)),
      deleteVolume: (input) => this.#call('deleteVolume', input, () => volumes.delete(input)),
      describeVolumes: (input) => this.#call('describeVolumes', input, () => volumes.describe(input)),
      createSnapshot: (input) => this.#call('createSnapshot', input, () => snapshots.create(input)),
      deleteSnapshot: (input) => this.#call('deleteSnapshot', input, () => snapshots.delete(input)),
      describeSnapshots: (input) => this.#call('describeSnapshots', input, () => snapshots.describe(input)),
      createTags: (input) => this.#call('createTags', input, () => lookups.createTags(input)),
      createLaunchTemplate: (input) => this.#call('createLaunchTemplate', input, () => lookups.createLaunchTemplate(input)),
      describeLaunchTemplates: (input) => this.#call('describeLaunchTemplates', input, () => lookups.describeLaunchTemplates(input)),
      describeImages: (input) => this.#call('describeImages', input, () => lookups.describeImages(input)),
      describeSubnets: (input) => this.#call('describeSubnets', input, () => lookups.describeSubnets(input)),
      describeInstanceTypes: (input) => this.#call('describeInstanceTypes', input, () => lookups.describeInstanceTypes(input)),
      describeInstanceTypeOfferings: (input) =>
        this.#call('describeInstanceTypeOfferings', input, () => lookups.describeInstanceTypeOfferings(input)),
      describeSpotPriceHistory: (input) => this.#call('describeSpotPriceHistory', input, () => lookups.describeSpotPriceHistory(input)),
      describeRouteTables: (input) => this.#call('describeRouteTables', input, () => network.describeRouteTables(input)),
      describeSecurityGroups: (input) => this.#call('describeSecurityGroups', input, () => network.describeSecurityGroups(input)),
      describeRegions: (input) => this.#call('describeRegions', input, () => network.describeRegions(input)),
      getEbsEncryptionByDefault: (input) =>
        this.#call('getEbsEncryptionByDefault', input, () => ({ EbsEncryptionByDefault: this.cloud.catalog.encryptsByDefault })),
    };
  }

  #accountApi(account: Account): AccountApi {
    const get = <T>(op: string, input: object, effect: () => T) => this.#call(op, input, effect, 'describe');
    return {
      callerIdentity: () => get('callerIdentity', {}, () => account.callerIdentity()),
      ec2Quota: (code) => get('ec2Quota', { code }, () => account.ec2Quota(code)),
      hasRole: (name) => get('hasRole', { name }, () => account.hasRole(name)),
      rolesOfProfile: (name) => get('rolesOfProfile', { name }, () => account.rolesOfProfile(name)),
      functionState: (name) => get('functionState', { name }, () => account.functionState(name)),
      issuerAt: (address) => get('issuerAt', { address }, () => account.issuerAt()),
      serverTime: () => get('serverTime', {}, () => account.serverTime()),
    };
  }

  #ssm(ssm: Ssm): SsmApi {
    return {
      startSession: (input) => this.#call('startSession', input, () => ssm.startSession(input)),
      terminateSession: (input) => this.#call('terminateSession', input, () => ssm.terminateSession(input)),
      getConnectionStatus: (input) => this.#call('getConnectionStatus', input, () => ssm.getConnectionStatus(input)),
      sendCommand: (input) => this.#call('sendCommand', input, () => ssm.sendCommand(input)),
      getCommandInvocation: (input) => this.#call('getCommandInvocation', input, () => ssm.getCommandInvocation(input)),
      getParameter: (input) => this.#call('getParameter', input, () => ssm.getParameter(input)),
    };
  }

  /** One call: on its way, carried out at one instant, and its answer on its way back. */
  async #call<T>(op: string, input: object, effect: () => T, step: Step = isMutating(op) ? 'mutate' : 'describe'): Promise<T> {
    const { faults, ledger, clock } = this.cloud;
    const call = ledger.begin(op, input);
    const tookMs = this.cloud.took(step);
    await faults.runHooks('before', call);
    await clock.sleep(tookMs / 2);
    try {
      const output = await this.#carryOut(call, effect);
      await clock.sleep(tookMs / 2);
      await faults.runHooks('after', call);
      return output;
    } catch (error) {
      if (call.outcome === null) ledger.end(call, error instanceof Error ? error.name : 'Error');
      throw error;
    }
  }

  async #carryOut<T>(call: Call, effect: () => T): Promise<T> {
    const { faults, buckets, ledger, clock } = this.cloud;
    const input = call.input as { DryRun?: boolean };
    const verdict = faults.verdict(call);
    if (verdict.how === 'hang') return new Promise<never>(() => {});
    if (verdict.how === 'refused') throw verdict.error;
    buckets.take(call.op, input);
    if (faults.denied.has(call.op)) throw refusal('UnauthorizedOperation', 'You are not authorized to perform this operation.');
    if (input.DryRun) throw refusal('DryRunOperation', 'Request would have succeeded, but DryRun flag is set.');
    const output = structuredClone(effectOf(effect));
    ledger.end(call, verdict.how === 'lost' ? 'lost' : 'ok');
    if (verdict.how !== 'lost') return output;
    if (verdict.error.name === 'TimeoutError') await clock.sleep(this.cloud.slow(ANSWER_LOST_MS));
    throw verdict.error;
  }
}

/** Nothing but a refusal is an answer of AWS: any other error is a bug of the simulation or of its caller, and says so. */
function effectOf<T>(effect: () => T): T {
  try {
    return effect();
  } catch (error) {
    if (error instanceof AwsRefusal) throw error;
    throw Object.assign(error as Error, { name: 'SimulationError' });
  }
}
