import type { Heartbeat, Orders } from '../launcher/contract/box.ts';
import type { LauncherLink, MachineRole } from './ports.ts';
import type { SecretMask } from './secret-mask.ts';

/** The contract takes no more. */
const PROGRESS_MAX = 200;
const FAILURE_MAX = 2000;
const DETAIL_MAX = 200;

/** The way to the launcher, which remembers what was said last. No value of a secret goes this way. */
export class HeardLink {
  readonly link: LauncherLink;
  #orders: Orders | null = null;

  constructor(link: LauncherLink, mask: SecretMask, role: MachineRole | null) {
    this.link = {
      ...link,
      post: async (path, body) => {
        const orders = await link.post(path, withoutSecrets(body as Partial<Heartbeat>, mask));
        this.#orders = orders;
        // What the agent before this one started may still ask.
        if (orders.awsCredentials === true) role?.lend().catch(() => {});
        else role?.recall();
        return orders;
      },
    };
  }

  /** Null until the launcher has answered. */
  get orders(): Orders | null {
    return this.#orders;
  }
}

/** What programs of the workload have a say in. */
function withoutSecrets({ failure, progress, evidence, ...rest }: Partial<Heartbeat>, mask: SecretMask): Partial<Heartbeat> {
  return {
    ...rest,
    ...(failure && { failure: { ...failure, detail: mask.text(failure.detail).slice(0, FAILURE_MAX) } }),
    ...(progress !== undefined && { progress: mask.text(progress).slice(0, PROGRESS_MAX) }),
    ...(evidence && { evidence: evidence.map((sign) => ({ ...sign, detail: mask.text(sign.detail).slice(0, DETAIL_MAX) })) }),
  };
}
