import type { Orders } from '../launcher/contract/box.ts';

/** A server that sends less than this for so long has gone away. */
const LOW_SPEED = ['-c', 'http.lowSpeedLimit=100', '-c', 'http.lowSpeedTime=60'];
/** The source may not name a program to run, nor a folder of the box; it runs no hooks. */
const SAFE = ['-c', 'protocol.ext.allow=never', '-c', 'protocol.file.allow=never', '-c', 'core.hooksPath=/dev/null'];

/** Arguments of git for a clone. Nothing in them is looked at by a shell, and no address can be taken for an option. */
export const cloneArgv = ({ url, ref }: NonNullable<Orders['clone']>, into: string): string[] => [
  ...LOW_SPEED,
  ...SAFE,
  'clone',
  '--progress',
  ...(ref === undefined ? [] : [`--branch=${ref}`]),
  '--',
  url,
  into,
];

/** With the credentials that the owner keeps in the box, but nobody to ask. */
export const cloneEnv = (env: Record<string, string>): Record<string, string> => ({
  ...env,
  GIT_TERMINAL_PROMPT: '0',
  GIT_ASKPASS: '/bin/false',
  GIT_SSH_COMMAND: 'ssh -o BatchMode=yes -o StrictHostKeyChecking=accept-new',
  LC_ALL: 'C',
});
