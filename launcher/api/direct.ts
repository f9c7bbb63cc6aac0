import { DevctlError } from '../contract/errors.ts';
import type { Handlers } from './operation.ts';

const BOX_HINT = 'use devctl of this version: it reaches the box itself, through Session Manager';
const TOKEN_HINT = 'whoever may sign requests of this account may call: give them the policy of this deployment';

const lacks = (what: string, hint: string) => async (): Promise<never> => {
  throw new DevctlError('unsupported', `this launcher runs in Lambda: ${what}`, { hint });
};

/**
 * The handlers of a launcher that lives from request to request and that nothing can be connected through: what it cannot do says
 * so, and what to do instead.
 */
export const directHandlers = (handlers: Handlers): Handlers => {
  const noSocket = lacks('it joins no terminals to boxes', BOX_HINT);
  const noFiles = lacks('files of a box do not go through it', BOX_HINT);
  const noTokens = lacks('it knows callers by their AWS credentials, and has no tokens', TOKEN_HINT);
  return {
    ...handlers,
    attach: noSocket,
    putFiles: noFiles,
    getFiles: noFiles,
    importSource: noFiles,
    logs: lacks('the log of a box does not go through it', BOX_HINT),
    listTokens: noTokens,
    createToken: noTokens,
    revokeToken: noTokens,
    launcherLogs: lacks('its log is in CloudWatch', 'read it with aws logs tail, from the log groups of its two functions'),
    metrics: lacks('its metrics are in CloudWatch', 'see the namespace of this deployment there'),
  };
};
