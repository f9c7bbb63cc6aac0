import type { AttachVolumeRequest, DetachVolumeRequest, VolumeAttachment } from '@aws-sdk/client-ec2';
import type { Cloud } from './cloud.ts';
import { refusal, required } from './errors.ts';
import type { Attachment, SimInstance, SimVolume } from './model.ts';
import { attachmentView } from './views.ts';
import type { Volumes } from './volumes.ts';

const ROOT_DEVICE = '/dev/xvda';
const BUSY_LOOK_MS = 1000;

/** Volumes on and off instances. Neither operation has a token: asked twice, the second is refused by the state. */
export class Attachments {
  readonly #cloud: Cloud;
  readonly #volumes: Volumes;
  readonly #needInstance: (id: string) => SimInstance;

  constructor(cloud: Cloud, volumes: Volumes, needInstance: (id: string) => SimInstance) {
    this.#cloud = cloud;
    this.#volumes = volumes;
    this.#needInstance = needInstance;
  }

  attach(input: AttachVolumeRequest): VolumeAttachment {
    const volume = this.#volumes.need(required(input.VolumeId, 'VolumeId'));
    const instance = this.#needInstance(required(input.InstanceId, 'InstanceId'));
    const device = required(input.Device, 'Device');
    if (volume.attachment !== null) throw refusal('VolumeInUse', `${volume.id} is already attached to an instance`);
    if (volume.state !== 'available') throw refusal('IncorrectState', `${volume.id} is not 'available'.`);
    if (volume.az !== instance.az)
      throw refusal(
        'InvalidVolume.ZoneMismatch',
        `The volume '${volume.id}' is not in the same availability zone as instance '${instance.id}'`,
      );
    if (instance.state !== 'running' && instance.state !== 'stopped')
      throw refusal('IncorrectState', `Instance '${instance.id}' is not 'running'.`);
    this.#checkPlace(instance, device);
    return attachmentView(volume.id, this.put(volume, instance, device, false));
  }

  detach(input: DetachVolumeRequest): VolumeAttachment {
    const volume = this.#volumes.need(required(input.VolumeId, 'VolumeId'));
    const { attachment } = volume;
    if (attachment === null) throw refusal('IncorrectState', `Volume '${volume.id}' is in the 'available' state.`);
    if (input.InstanceId !== undefined && input.InstanceId !== attachment.instanceId)
      throw refusal('InvalidAttachment.NotFound', `Volume '${volume.id}' is not attached to instance '${input.InstanceId}'`);
    const instance = this.#cloud.instances.get(attachment.instanceId);
    if (attachment.device === ROOT_DEVICE && instance?.state === 'running')
      throw refusal('OperationNotPermitted', `Unable to detach root volume '${volume.id}' from instance '${attachment.instanceId}'`);
    if (attachment.state === 'detaching' && input.Force !== true)
      throw refusal('IncorrectState', `Volume '${volume.id}' is already detaching.`);
    attachment.state = 'detaching';
    this.#changed(volume);
    const view = attachmentView(volume.id, attachment);
    const stuck = input.Force !== true && this.#cloud.chance('detach', this.#cloud.faults.rates.stuckPerDetach);
    if (stuck) attachment.hangs = true;
    else if (attachment.hangs !== true || input.Force === true) this.#letGo(volume, attachment, input.Force === true);
    return view;
  }

  /** Its instance has ended: it is free, unless it hangs. */
  ended(volume: SimVolume): void {
    const { attachment } = volume;
    if (attachment === null) return;
    const { stuckPerEnd } = this.#cloud.faults.rates;
    if (!attachment.deleteOnTermination && this.#cloud.chance('detach at the end', stuckPerEnd)) attachment.hangs = true;
    if (attachment.hangs !== true) {
      this.free(volume);
      return;
    }
    volume.disk.mount?.lose();
    attachment.state = 'detaching';
    this.#cloud.volumes.changed(volume);
  }

  /** At launch: already checked, and never stuck, for the instance starts only with it. */
  put(volume: SimVolume, instance: SimInstance, device: string, deleteOnTermination: boolean, atLaunch = false): Attachment {
    const attachment: Attachment = {
      instanceId: instance.id,
      device,
      state: 'attaching',
      atMs: this.#cloud.clock.now(),
      deleteOnTermination,
    };
    volume.attachment = attachment;
    volume.state = 'in-use';
    this.#changed(volume);
    if (!atLaunch && this.#cloud.chance('attach', this.#cloud.faults.rates.stuckPerAttach)) return attachment;
    this.#cloud.after('attach', () => this.#attached(volume, attachment));
    return attachment;
  }

  /** At once: the instance is gone, or never was. */
  free(volume: SimVolume): void {
    volume.disk.mount?.lose();
    const instanceId = volume.attachment?.instanceId;
    volume.attachment = null;
    volume.state = 'available';
    this.#cloud.volumes.changed(volume);
    const instance = instanceId === undefined ? undefined : this.#cloud.instances.get(instanceId);
    if (instance) this.#cloud.instances.changed(instance);
  }

  /** An attachment that hangs comes through after all. */
  unstick(volumeId: string): void {
    const volume = this.#cloud.volumes.get(volumeId);
    const attachment = volume?.attachment;
    if (!volume || !attachment) return;
    if (attachment.state === 'attaching') this.#attached(volume, attachment);
    if (attachment.state !== 'detaching') return;
    attachment.hangs = false;
    this.#letGo(volume, attachment, false);
  }

  #attached(volume: SimVolume, attachment: Attachment): void {
    if (volume.attachment !== attachment || attachment.state !== 'attaching') return;
    attachment.state = 'attached';
    this.#changed(volume);
  }

  /** A volume that is mounted stays busy until it is not, unless it is forced: then the page cache is lost. */
  #letGo(volume: SimVolume, attachment: Attachment, force: boolean): void {
    const look = () => {
      if (volume.attachment !== attachment) return;
      if (volume.disk.mount !== null && !force) this.#cloud.clock.after(BUSY_LOOK_MS, look);
      else this.free(volume);
    };
    this.#cloud.after('detach', look);
  }

  #checkPlace(instance: SimInstance, device: string): void {
    const attached = this.#cloud.volumesOf(instance.id);
    if (attached.some(({ attachment }) => attachment?.device === device))
      throw refusal('InvalidParameterValue', `Invalid value '${device}' for unixDevice. Attachment point ${device} is already in use`);
    if (attached.length >= this.#cloud.pools.quotas.attachmentsPerInstance)
      throw refusal('AttachmentLimitExceeded', `${instance.id} has reached its attachment limit`);
  }

  #changed(volume: SimVolume): void {
    this.#cloud.volumes.changed(volume);
    const instance = volume.attachment && this.#cloud.instances.get(volume.attachment.instanceId);
    if (instance) this.#cloud.instances.changed(instance);
  }
}
