import type { Orders } from '../launcher/contract/box.ts';
import { Preparer } from './preparer.ts';
import type { ServiceDeps, Services } from './services.ts';
import { Staging } from './staging.ts';
import { noteFile } from './workspace-folders.ts';

type WorkDeps = Omit<ServiceDeps, 'staging'>;

/** What goes on in the workspace. It begins when that is mounted; what registering does not need is loaded after it. */
export class Work {
  readonly #deps: WorkDeps;
  #staging: Staging | null = null;
  #preparer: Preparer | null = null;
  #services: Promise<Services> | null = null;

  constructor(deps: WorkDeps) {
    this.#deps = deps;
  }

  begin(): void {
    const { config, processes, launcher } = this.#deps;
    this.#staging = new Staging({ config, processes, launcher, notePath: noteFile(config, 'preparing') });
    this.#preparer = new Preparer({ ...this.#deps, staging: this.#staging });
  }

  contentPresent(): boolean {
    return this.#preparer?.contentPresent() ?? false;
  }

  sample(): void {
    this.#preparer?.sample();
  }

  obey(orders: Orders): void {
    this.#preparer?.obey(orders);
  }

  services(): Promise<Services> {
    const staging = this.#staging;
    if (staging === null) return Promise.reject(new Error('the workspace is not there yet'));
    this.#services ??= import('./services.ts').then((loaded) => new loaded.Services({ ...this.#deps, staging }));
    return this.#services;
  }

  /** Docker of the workload, which has its data in the workspace. */
  async startDocker(): Promise<void> {
    if (this.#deps.config.user === null) return;
    const { startDocker, systemdOf } = await import('./box-docker.ts');
    const { box, log } = this.#deps;
    await startDocker({ systemd: systemdOf(this.#deps), log, isWanted: () => box.open });
  }

  /** Stops every writer and flushes, with nobody to answer to. Before the disk is there, nothing can have been written to it. @throws Error */
  async quiesceForGood(why: string): Promise<void> {
    if (this.#staging === null) return;
    const { quiescer } = await (await this.services()).saving();
    await quiescer.quiesce(`${why}-${this.#deps.config.generation}`);
  }
}
