import type { Duplex } from 'node:stream';
import { WholeExec } from '../../connect/whole-exec.ts';
import { COMMAND_OUTPUT_MAX_CHARS } from '../../contract/agent-config.ts';
import { DevctlError } from '../../contract/errors.ts';
import { ComputeError } from '../../ports/compute.ts';
import { AGENT_COMMAND, type Commands } from './commands.ts';

const START_MAX_CHARS = 64_000;

/**
 * A stream of exec frames whose command runs by SendCommand, and tells no more than AWS does.
 * @param why there is no better way: for what this one cannot do
 */
export const commandExec = (commands: Commands, boxId: string, why: DevctlError, withinMs: number): Duplex =>
  new WholeExec({
    why,
    async run(start) {
      const packed = Buffer.from(JSON.stringify(start)).toString('base64');
      if (packed.length > START_MAX_CHARS)
        throw new DevctlError('unsupported', `a command has ${START_MAX_CHARS} characters at most this way: ${why.detail}`, why.extra);
      try {
        const result = await commands.run(boxId, `${AGENT_COMMAND} exec ${packed}`, withinMs);
        const isCut = Math.max(result.stdout.length, result.stderr.length) >= COMMAND_OUTPUT_MAX_CHARS;
        return { ...result, ...(isCut && { cut: `the output is cut at ${COMMAND_OUTPUT_MAX_CHARS} characters` }) };
      } catch (error) {
        throw error instanceof ComputeError ? new DevctlError('box_unreachable', error.message, { cause: error }) : error;
      }
    },
  });
