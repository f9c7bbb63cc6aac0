import { gunzipSync } from 'node:zlib';
import type { Way } from '../../connect/agent-http.ts';
import { ReachError } from '../../connect/errors.ts';
import { type SessionStarter, Tunnels } from '../../connect/tunnels.ts';
import { COMMAND_OUTPUT_MAX_CHARS } from '../../contract/agent-config.ts';
import { DevctlError } from '../../contract/errors.ts';
import { problemSchema } from '../../contract/problem.ts';
import type { AccessPort } from '../../ports/access.ts';
import type { Random } from '../../ports/clock.ts';
import { type BoxRef, ComputeError } from '../../ports/compute.ts';
import { accessBy, BoxAgent, type Post, postOver } from '../agent/agent.ts';
import type { SsmApi } from './api.ts';
import { Calls } from './calls.ts';
import type { BoxChannel } from './channel.ts';
import { commandExec } from './command-exec.ts';
import { AGENT_COMMAND, Commands, isNotOnline } from './commands.ts';
import { EC2_LIMITS, type Ec2Limits } from './limits.ts';
import { Memory } from './memory.ts';
import type { Time } from './timers.ts';

export interface ReachOptions {
  ssm: SsmApi;
  time: Time;
  random: Random;
  region: string;
  /** Where the agent listens on the box's loopback. */
  agentPort: number;
  /** What a box's agent asks of whoever connects: the launcher told it. */
  accessKey: (box: BoxRef) => string;
  /** Environment of the plugin of Session Manager. */
  env: NodeJS.ProcessEnv;
  limits?: Partial<Ec2Limits>;
}

export interface Ec2Reach {
  channel: BoxChannel;
  access: AccessPort;
  /** Ends every tunnel. */
  close(): Promise<void>;
}

/**
 * Reaching into boxes on EC2 by Systems Manager: what is large or lasts, through a tunnel; what is small, by a command where
 * there is no tunnel yet. So a launcher without the plugin can do all that keeps work safe, and `exec`.
 */
export function createEc2Reach(options: ReachOptions): Ec2Reach {
  const limits = { ...EC2_LIMITS, ...options.limits };
  const { ssm, time, random, accessKey } = options;
  const calls = new Calls<SsmApi>({ api: ssm, time, random, limits });
  const commands = new Commands({ calls, time, limits });
  const tunnels = new Tunnels({ ...options, sessions: sessionsBy(calls), idleMs: limits.tunnelIdleMs });

  const agentOf = (box: BoxRef): BoxAgent => {
    const way: Way = {
      connect: () => tunnels.connect(box.boxId),
      authorization: `Bearer ${accessKey(box)}`,
      onNoAnswer: () => tunnels.doubt(box.boxId),
    };
    const byCommand = postByCommand(commands, box.boxId);
    const post: Post = (...call) => (tunnels.isOpen(box.boxId) ? postOver(way) : byCommand)(...call);
    return new BoxAgent(way, { answerTimeoutMs: limits.answerMs, post });
  };
  const byAgent = accessBy(agentOf);
  return {
    channel: channelBy(agentOf, random, limits),
    access: {
      ...byAgent,
      async exec(box) {
        try {
          return await byAgent.exec(box);
        } catch (error) {
          // Without the plugin a command still runs, and tells all of its output at its end.
          if (error instanceof DevctlError && error.code === 'unsupported')
            return commandExec(commands, box.boxId, error, limits.commandMs);
          throw error;
        }
      },
      logs: (box, request) => agentOf(box).logs(request),
    },
    close: () => tunnels.closeAll(),
  };
}

/** Started once: an answer that was lost may have left a session, which AWS ends when nobody comes. */
const sessionsBy = (calls: Calls<SsmApi>): SessionStarter => ({
  async start(request) {
    try {
      return await calls.make('startSession', request, { repeat: 'once' });
    } catch (error) {
      if (isNotOnline(error)) throw new ReachError('unreachable', `Systems Manager does not reach ${request.Target} now`, { cause: error });
      throw error;
    }
  },
  terminate: (SessionId) => calls.make('terminateSession', { SessionId }),
});

/** Calls the agent's own command on the box. Its answer comes packed: AWS tells of no more than 24,000 characters. */
function postByCommand(commands: Commands, boxId: string): Post {
  return async (path, body, timeoutMs) => {
    const packed = Buffer.from(JSON.stringify(body)).toString('base64');
    const { code, stdout, stderr } = await commands.run(boxId, `${AGENT_COMMAND} call ${path} ${packed}`, timeoutMs);
    if (code !== 0)
      throw new ComputeError('unreachable', `the agent of ${boxId} does not answer: ${stderr.trim().slice(0, 300) || `exit code ${code}`}`);
    if (stdout.length >= COMMAND_OUTPUT_MAX_CHARS) throw new ComputeError('fatal', `the answer of the agent to ${path} is too long`);
    const { status, answer } = unpacked(stdout, boxId);
    if (status === 200) return answer;
    const problem = problemSchema.safeParse(answer);
    throw problem.success
      ? DevctlError.fromProblem(problem.data)
      : new ComputeError('transient', `the agent of ${boxId} answered ${status}`);
  };
}

function unpacked(text: string, boxId: string): { status: number; answer: unknown } {
  try {
    return JSON.parse(gunzipSync(Buffer.from(text.trim(), 'base64')).toString());
  } catch (error) {
    throw new ComputeError('transient', `the agent of ${boxId} answered with something that cannot be read`, { cause: error });
  }
}

/** A freeze and its thaw are one operation of the agent. */
function channelBy(agentOf: (box: BoxRef) => BoxAgent, random: Random, limits: Ec2Limits): BoxChannel {
  const freezes = new Memory<string>(limits.remembered);
  return {
    quiesce: (box, operationId) => agentOf(box).quiesce(operationId, limits.quiesceMs),
    async freeze(box, maxMs) {
      const operationId = `freeze-${Buffer.from(random.bytes(12)).toString('hex')}`;
      freezes.set(box.boxId, operationId);
      await agentOf(box).freeze(operationId, maxMs);
    },
    thaw: async (box) => agentOf(box).thaw(freezes.get(box.boxId) ?? 'none'),
  };
}
