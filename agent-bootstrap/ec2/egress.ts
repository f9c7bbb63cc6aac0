import { readNote, writeNote } from '../notes.ts';
import type { Egress, Log } from '../ports.ts';
import { EgressProxy } from './egress-proxy.ts';
import { confineTo } from './egress-rules.ts';

/** As curl, git, npm, pip and the AWS CLI look for a proxy. */
function variablesFor(port: number): Record<string, string> {
  const proxy = `http://127.0.0.1:${port}`;
  const inward = 'localhost,127.0.0.1,::1';
  return { HTTPS_PROXY: proxy, https_proxy: proxy, HTTP_PROXY: proxy, http_proxy: proxy, NO_PROXY: inward, no_proxy: inward };
}

interface EgressGuardOptions {
  /** Ranges of the ids of the workload, with those of its containers. */
  uids: readonly { first: number; count: number }[];
  port: number;
  /** The environment of commands, which gets the way out. */
  env: Record<string, string>;
  /** File in memory of the machine that tells the next agent what is in force. */
  notePath: string;
  log: Log;
  /** @default the resolver of the machine */
  resolve?: (host: string) => Promise<string>;
}

/** Keeps the workload to the hosts that its session names, or to nothing at all, by rules of the kernel and one proxy. */
export class EgressGuard implements Egress {
  readonly #options: EgressGuardOptions;
  #hosts: readonly string[] | null;
  #isInForce = false;

  constructor(options: EgressGuardOptions) {
    this.#options = options;
    this.#hosts = readNote<string[]>(options.notePath);
  }

  async enforce(hosts: readonly string[] | undefined): Promise<void> {
    const { log, notePath } = this.#options;
    const wanted = hosts ?? this.#hosts;
    if (wanted === null || (this.#isInForce && String(wanted) === String(this.#hosts))) return;
    this.#hosts = wanted;
    if (!this.#isInForce) await this.#confine();
    this.#isInForce = true;
    writeNote(notePath, wanted);
    log(`egress: the workload reaches ${wanted.join(', ') || 'nothing'}`);
  }

  async #confine(): Promise<void> {
    const { uids, port, env, log, resolve } = this.#options;
    await confineTo(uids);
    await new EgressProxy({ allowed: () => this.#hosts ?? [], log, ...(resolve && { resolve }) }).listen(port);
    Object.assign(env, variablesFor(port));
  }
}
