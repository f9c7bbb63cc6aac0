import type { MachineConfig } from '../launcher/contract/agent-config.ts';
import { AGENT_PORT, BOX_PATHS, EGRESS_PORT } from '../launcher/contract/agent-config.ts';
import { BOX_LIMITS } from '../launcher/core/limits.ts';

const { workspace, home, cache, run } = BOX_PATHS;

/** What the image tells the agent of every box that is made from it. `npm run build` writes it to dist/agent.json. */
export const agentConfig: MachineConfig = {
  machine: 'ec2',
  paths: { workspace, run },
  disk: 'volume',
  user: { name: 'dev', uid: 1000, gid: 1000 },
  // That of devctl-workload.slice.
  cgroup: '/sys/fs/cgroup/devctl.slice/devctl-workload.slice',
  agentPort: AGENT_PORT,
  egressPort: EGRESS_PORT,
  env: {
    PATH: `${home}/.local/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin`,
    HOME: home,
    USER: 'dev',
    LOGNAME: 'dev',
    SHELL: '/bin/bash',
    LANG: 'C.UTF-8',
    TERM: 'dumb',
    XDG_CACHE_HOME: cache,
    XDG_RUNTIME_DIR: '/run/user/1000',
    npm_config_cache: `${cache}/npm`,
    // What is installed for everybody goes where the workload may write, and comes back with the workspace.
    npm_config_prefix: `${home}/.local`,
    PIP_CACHE_DIR: `${cache}/pip`,
    UV_CACHE_DIR: `${cache}/uv`,
    DOCKER_HOST: 'unix:///run/user/1000/docker.sock',
  },
  limits: BOX_LIMITS,
  log: '/var/log/devctl/agent.log',
  powerOff: ['/usr/bin/systemctl', 'poweroff'],
};
