import type { FaultMode } from '../support/faults.ts';
import type { Database } from '../support/table.ts';
import { Ec2World } from './ec2-world.ts';

const MODES = ['before', 'after', 'lost'] as const;

export interface SweepOptions {
  /** Every n-th point is tried. */
  every: number;
  /** The first call at which something goes wrong. */
  from?: number;
  /** Labels of the calls that count. @default those of EC2 */
  counts?: (label: string) => boolean;
}

/**
 * Lives the same life again and again, in each of which one call goes wrong: the launcher dies before or after it, or its answer is
 * lost. What is broken, in words.
 */
export async function sweep(database: Database, life: (world: Ec2World) => Promise<void>, options: SweepOptions) {
  const { every, from = 1, counts = (label) => label.startsWith('ec2.') } = options;
  const calm = await worldWithFault(database, -1, null, counts);
  await life(calm.world);
  const { calls } = calm.seen;
  const broken: string[] = [];
  let points = 0;
  for (const [offset, mode] of MODES.entries())
    for (let index = from + Math.floor((offset * every) / MODES.length); index <= calls; index += every) {
      points += 1;
      const { world, seen } = await worldWithFault(database, index, mode, counts);
      try {
        await life(world);
      } catch (error) {
        broken.push(`${mode} ${index} ${seen.label}: ${(error as Error).message.slice(0, 600)}`);
      }
    }
  return { points, of: calls * MODES.length, calls, broken };
}

/** A world in which the n-th call that counts goes wrong, and what was called there. */
async function worldWithFault(database: Database, index: number, mode: FaultMode | null, counts: (label: string) => boolean) {
  const world = await Ec2World.open(database);
  const seen = { label: null as string | null, calls: 0 };
  const arm = (life: Ec2World['launcher']['life']) => {
    life.fault = (label) => {
      if (!counts(label)) return null;
      seen.calls += 1;
      if (seen.calls !== index) return null;
      seen.label = label;
      return mode;
    };
  };
  world.onNewLife = arm;
  arm(world.launcher.life);
  return { world, seen };
}
