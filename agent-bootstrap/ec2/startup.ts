import { spawnSync } from 'node:child_process';
import { timingSafeEqual } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { BoxUser, BoxUserData, MachineConfig } from '../../launcher/contract/agent-config.ts';
import type { Orders } from '../../launcher/contract/box.ts';
import { mountedWorkspace } from '../local-machine.ts';
import type { Log, Machine, Startup } from '../ports.ts';
import { uidsOf } from '../scope.ts';
import type { SecretMask } from '../secret-mask.ts';
import { makeWorkspaceFolders } from '../workspace-folders.ts';
import { EgressGuard } from './egress.ts';
import { InstanceIdentity } from './identity.ts';
import { Metadata } from './metadata.ts';
import { networkLink, sendAs } from './network-link.ts';
import { instanceRole } from './role.ts';
import { runTool } from './tools.ts';
import { VolumeMount } from './volume-mount.ts';

/** The tags of devctl on an instance, as the provider writes them. */
const TAGS = { workspace: 'devctl:workspace', owner: 'devctl:owner', session: 'devctl:session', generation: 'devctl:generation' } as const;
const RETRY_MS = 500;
const NOTICE_EVERY_MS = 5_000;
const STATE_MS = 5_000;
const POWER_OFF_MS = 30_000;

interface Assignment {
  boxId: string;
  owner: string;
  sessionId: string;
  generation: number;
  region: string;
  workspace: string;
  userData: BoxUserData;
}

/** What an agent on an instance needs, once the instance is somebody's box. */
export async function startOnInstance(config: MachineConfig, log: Log, mask: SecretMask): Promise<Startup> {
  const metadata = new Metadata();
  const { boxId, workspace, owner, sessionId, generation, region, userData } = await assignment(metadata, log);
  log(`${boxId} is the box of ${workspace}: session ${sessionId}, generation ${generation}`);
  mkdirSync(join(config.paths.run, 'agent'), { recursive: true, mode: 0o700 });
  const identity = new InstanceIdentity({ metadata, region, audience: userData.launcherUrl });
  const key = new AccessKey();
  const url = userData.launcherUrl;
  const link = networkLink({ url, owner, send: sendAs(url, { identity, metadata }), onOrders: (orders) => key.take(orders) });
  const root = config.paths.workspace;
  const env = { ...config.env, IN_DEVCTL_BOX: boxId, IN_DEVCTL_WORKSPACE: workspace };
  const wanted = () => link.disk({ sessionId, generation });
  const notePath = join(config.paths.run, 'agent', 'volume.json');
  const folders = () => makeWorkspaceFolders(root, config.user);
  return {
    config: {
      boxId,
      sessionId,
      generation,
      paths: config.paths,
      user: config.user,
      ...(config.cgroup !== undefined && { cgroup: config.cgroup }),
      processScope: config.user === null ? 'marker' : 'machine',
      env,
      limits: config.limits,
      log: config.log,
    },
    link,
    mount: config.disk === 'mounted' ? mountedWorkspace(config) : new VolumeMount({ root, wanted, notePath, folders, log }),
    machine: instance(config.powerOff, log),
    egress: config.user === null ? null : guard(config, config.user, env, log),
    role: instanceRole({ metadata, region, run: config.paths.run, mask, log }),
    guarded: { port: config.agentPort, mayEnter: (authorization) => key.opens(authorization) },
    watchInterruption: (tell) => watchInterruption(metadata, tell, log),
  };
}

const guard = ({ paths, egressPort }: MachineConfig, user: BoxUser, env: Record<string, string>, log: Log): EgressGuard =>
  new EgressGuard({ uids: uidsOf(user), port: egressPort, env, notePath: join(paths.run, 'agent', 'egress.json'), log });

/** Whose box this is. A machine that waits to be somebody's has no session in its tags yet. */
async function assignment(metadata: Metadata, log: Log): Promise<Assignment> {
  for (let tries = 0; ; tries += 1) {
    try {
      const tag = (name: string) => metadata.need(`meta-data/tags/instance/${name}`);
      return {
        boxId: await metadata.need('meta-data/instance-id'),
        region: await metadata.need('meta-data/placement/region'),
        userData: JSON.parse(await metadata.need('user-data')) as BoxUserData,
        owner: await tag(TAGS.owner),
        sessionId: await tag(TAGS.session),
        generation: Number(await tag(TAGS.generation)),
        workspace: await tag(TAGS.workspace),
      };
    } catch (error) {
      if (tries === 0) log(`not somebody's box yet: ${error instanceof Error ? error.message : error}`);
      await metadata.pause(RETRY_MS);
    }
  }
}

/** What whoever connects to the agent has to show: known when the launcher has answered, and from then on its latest. */
class AccessKey {
  #wanted: Buffer | null = null;

  take({ accessKey }: Orders): void {
    if (accessKey !== undefined) this.#wanted = Buffer.from(`Bearer ${accessKey}`);
  }

  opens(authorization: string | undefined): boolean {
    const given = Buffer.from(authorization ?? '');
    return this.#wanted !== null && given.length === this.#wanted.length && timingSafeEqual(given, this.#wanted);
  }
}

/** The instance ends with its operating system: what shuts down by itself is terminated, and its workspace volume stays. */
function instance([command, ...args]: MachineConfig['powerOff'], log: Log): Machine {
  return {
    end(reason) {
      log(`ending: ${reason}`);
      // Waited for: an agent that leaves before its machine goes down is started again.
      spawnSync(command, args, { stdio: 'ignore', timeout: POWER_OFF_MS });
      process.exit(0);
    },
    isGoingDown: async () => (await runTool(['systemctl', 'is-system-running'], STATE_MS)).stdout.trim() === 'stopping',
  };
}

/** Tells once, when EC2 has said that it takes the instance away. Source: EC2 User Guide, "Spot Instance interruption notices". */
function watchInterruption(metadata: Metadata, tell: (atMs: number) => void, log: Log): void {
  const timer = setInterval(async () => {
    try {
      const notice = await metadata.get('meta-data/spot/instance-action');
      const { action, time } = JSON.parse(notice ?? '{}') as { action?: string; time?: string };
      if (action === undefined || time === undefined) return;
      clearInterval(timer);
      log(`EC2 takes this instance away (${action}) at ${time}`);
      // By the clock of this machine, right or wrong.
      tell(Date.now() + Date.parse(time) - metadata.now());
    } catch {
      // Asked again soon.
    }
  }, NOTICE_EVERY_MS);
  timer.unref();
}
