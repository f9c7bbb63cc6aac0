import { ComputeError } from '../../ports/compute.ts';
import type { SsmApi } from './api.ts';
import type { Calls } from './calls.ts';
import type { Ec2Limits } from './limits.ts';
import { sleep, type Time } from './timers.ts';

/** The agent's own command on a box: it talks to the agent over its socket, as root. */
export const AGENT_COMMAND = 'devctl-agent';

export interface CommandResult {
  code: number;
  /** The first COMMAND_OUTPUT_MAX_CHARS of it. */
  stdout: string;
  stderr: string;
}

interface CommandsOptions {
  calls: Calls<SsmApi>;
  time: Time;
  limits: Ec2Limits;
}

const UNDERWAY = new Set(['Pending', 'InProgress', 'Delayed']);
/** The box has no agent of Systems Manager that answers: it comes up, goes down, or has gone. */
const NOT_ONLINE = new Set(['InvalidInstanceId', 'TargetNotConnected']);

export const isNotOnline = (error: unknown): boolean => error instanceof Error && NOT_ONLINE.has(error.name);

/**
 * Lines of shell that run as root on a box, by Systems Manager. SendCommand has no token: a line whose answer was lost may
 * run, and is never sent again here. Whoever sends one again has made it harmless.
 */
export class Commands {
  readonly #options: CommandsOptions;

  constructor(options: CommandsOptions) {
    this.#options = options;
  }

  /** @throws ComputeError unreachable (nothing runs there, or it has not ended in time); what AWS said */
  async run(boxId: string, line: string, withinMs: number): Promise<CommandResult> {
    const { time, limits } = this.#options;
    const untilMs = time.now() + withinMs;
    const id = await this.#send(boxId, line, withinMs);
    for (;;) {
      await sleep(time, limits.commandLookMs);
      const result = await this.#look(boxId, id);
      if (result !== null) return result;
      if (time.now() >= untilMs) throw new ComputeError('unreachable', `a command on ${boxId} has not ended in ${withinMs / 1000} s`);
    }
  }

  async #send(boxId: string, line: string, withinMs: number): Promise<string> {
    const ask = {
      InstanceIds: [boxId],
      DocumentName: 'AWS-RunShellScript',
      Parameters: { commands: [line], executionTimeout: [String(Math.ceil(withinMs / 1000))] },
      // What does not get there at once is of no use later. 30 s is the least that AWS takes.
      TimeoutSeconds: 30,
    };
    try {
      const { Command: sent } = await this.#options.calls.make('sendCommand', ask, { repeat: 'once' });
      if (sent?.CommandId) return sent.CommandId;
    } catch (error) {
      if (isNotOnline(error)) throw new ComputeError('unreachable', `Systems Manager does not reach ${boxId} now`, { cause: error });
      throw error;
    }
    throw new ComputeError('transient', `a command for ${boxId} was taken without an id`);
  }

  /** Null while it runs, or is not to be seen yet. */
  async #look(boxId: string, id: string): Promise<CommandResult | null> {
    try {
      const seen = await this.#options.calls.make('getCommandInvocation', { CommandId: id, InstanceId: boxId });
      if (seen.Status === undefined || UNDERWAY.has(seen.Status)) return null;
      if (seen.StatusDetails === 'Undeliverable' || seen.StatusDetails === 'DeliveryTimedOut')
        throw new ComputeError('unreachable', `a command did not get to ${boxId}: ${seen.StatusDetails}`);
      // A command has no negative exit code: AWS has ended it, or never began it.
      if (seen.ResponseCode !== undefined && seen.ResponseCode < 0)
        throw new ComputeError('unreachable', `a command on ${boxId} did not come to its end: ${seen.StatusDetails ?? seen.Status}`);
      return {
        code: seen.ResponseCode ?? (seen.Status === 'Success' ? 0 : 1),
        stdout: seen.StandardOutputContent ?? '',
        stderr: seen.StandardErrorContent ?? '',
      };
    } catch (error) {
      if (error instanceof Error && error.name === 'InvocationDoesNotExist') return null;
      throw error;
    }
  }
}
