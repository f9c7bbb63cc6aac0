import type { Engine } from './engine.ts';
import type { BenchLauncher } from './launcher.ts';

/** What the parts of the bench work with. */
export interface Context {
  root: string;
  launcher: BenchLauncher;
  /** Or why there is none. */
  engine: Engine | string;
  quick: boolean;
}
