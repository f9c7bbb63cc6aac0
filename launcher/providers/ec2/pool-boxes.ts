import type { Instance } from '@aws-sdk/client-ec2';
import type { Architecture } from '../../contract/fields.ts';
import { PRICES, ROOT_GIB } from '../../contract/prices.ts';
import { type BoxState, ComputeError, type PoolBoxRef, type PoolFillRequest, type PoolPort } from '../../ports/compute.ts';
import type { Boxes } from './boxes.ts';
import type { Calls } from './calls.ts';
import type { Choices } from './choice.ts';
import { classOfCode } from './errors.ts';
import { fleetRequest, type PoolError, readFleet } from './fleet.ts';
import type { Ec2Limits } from './limits.ts';
import type { Looks } from './looks.ts';
import type { Pools, Rung } from './pools.ts';
import { poolTagList, readPoolId } from './tags.ts';
import type { LaunchTemplate } from './template.ts';
import type { TemplateSource } from './templates.ts';
import type { Volumes } from './volumes.ts';

interface PoolBoxesOptions {
  calls: Calls;
  looks: Looks;
  limits: Ec2Limits;
  deployment: string;
  boxes: Boxes;
  volumes: Volumes;
  pools: Pools;
  choices: Choices;
  templates: TemplateSource;
}

const ENDED = new Set(['shutting-down', 'terminated']);

/**
 * Stopped instances in reserve, on demand, with nothing but their root volume. They are found by the id of their record, which they
 * carry as a tag until a session has taken them.
 */
export class PoolBoxes implements PoolPort {
  readonly microUsdPerMonth = ROOT_GIB * PRICES.volumeMicroUsdPerGiBMonth;
  readonly #options: PoolBoxesOptions;

  constructor(options: PoolBoxesOptions) {
    this.#options = options;
  }

  async kind(): Promise<{ arch: Architecture; image: string }> {
    const { templates } = this.#options;
    const [arch] = templates.architectures;
    return { arch, image: imageOf(await templates.of(arch)) };
  }

  async fill({ id, attempt, size, arch }: PoolFillRequest): Promise<{ boxId: string }> {
    const [made] = await this.#made(id);
    const boxId = made?.InstanceId ?? (await this.#launch({ id, attempt, size, arch }));
    this.#options.boxes.noteLaunched({ id, boxId });
    return { boxId };
  }

  async observe(box: PoolBoxRef): Promise<{ state: BoxState; place: string | null }> {
    const { boxes } = this.#options;
    const boxId = box.boxId ?? (await this.#made(box.id))[0]?.InstanceId;
    if (boxId === undefined) return { state: 'gone', place: null };
    const instance = await boxes.see(boxId);
    return { state: await boxes.observe({ ...box, boxId }), place: instance?.Placement?.AvailabilityZone ?? null };
  }

  async park(box: PoolBoxRef): Promise<void> {
    if (box.boxId !== null) await this.#options.boxes.park({ ...box, boxId: box.boxId });
  }

  /** Every machine that has its id: a launch without an answer may have left one. */
  async end(box: PoolBoxRef): Promise<void> {
    const found = (await this.#made(box.id)).map(({ InstanceId = '' }) => InstanceId);
    const all = new Set(box.boxId === null ? found : [box.boxId, ...found]);
    for (const boxId of all) await this.#options.boxes.end({ ...box, boxId });
  }

  async placeOf(volumeId: string): Promise<string | null> {
    return (await this.#options.volumes.see(volumeId))?.AvailabilityZone ?? null;
  }

  /** Its machines, as far as they are to be seen. */
  async #made(id: string): Promise<Instance[]> {
    const { looks, deployment } = this.#options;
    const found = await looks.poolBox.look(id);
    return found.filter(({ State: state, Tags }) => !ENDED.has(state?.Name ?? '') && readPoolId(Tags, deployment) === id);
  }

  /** The class that is wanted, then larger machines; anywhere. */
  async #launch(request: PoolFillRequest): Promise<string> {
    const { choices, pools } = this.#options;
    const choice = await choices.of({ ...request, instanceTypes: [] });
    const failed: PoolError[] = [];
    for (let from = 0, fleet = 1; ; fleet += 1) {
      const rung = await pools.rung(choice, 'on-demand', pools.zones, from);
      if (rung === null) throw new ComputeError('capacity', `no machine of ${choice.what}${toldOf(failed)}`);
      const { boxId, errors } = await this.#ask(request, choice.template, rung, fleet);
      if (boxId !== null) return boxId;
      for (const { code, type, az } of errors) if (classOfCode(code) === 'no_capacity') pools.noteEmpty(type, az, 'on-demand');
      failed.push(...errors);
      if (!errors.some(({ code }) => classOfCode(code) === 'no_capacity'))
        throw new ComputeError('transient', `no machine of ${choice.what}${toldOf(failed)}`);
      from = rung.index + 1;
    }
  }

  async #ask({ id, attempt, size }: PoolFillRequest, template: LaunchTemplate, { market, pools }: Rung, fleet: number) {
    const { calls, deployment, limits, pools: all } = this.#options;
    const tags = poolTagList(deployment, { id, size, image: imageOf(template) });
    const call = { operationId: `${id}.${attempt}`, fleet, market, pools, template, disk: null, tags: { instance: tags, volume: tags } };
    const settings = { deployment, overrides: limits.overrides, subnetsOf: (az: string) => all.subnetsOf(az) };
    return readFleet(await calls.make('createFleet', fleetRequest(call, settings)), (subnetId) => all.zoneOf(subnetId));
  }
}

/** All that a box is started from: the image, and in which settings. */
const imageOf = (template: LaunchTemplate): string => `${template.imageId} ${'id' in template ? template.id : template.name}`;

function toldOf(errors: readonly PoolError[]): string {
  const codes = [...new Set(errors.map(({ code }) => code))].join(', ');
  return errors.length === 0 ? ': every pool had none a moment ago' : ` in ${errors.length} pools: ${codes}`;
}
