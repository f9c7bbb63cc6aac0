import * as z from 'zod';

/** Signs of work, and what each means. `seenBy` launcher: the control plane saw it itself; box: the box's own word. */
export const EVIDENCE = {
  api: { seenBy: 'launcher', about: 'an API call on the session' },
  connection: { seenBy: 'launcher', about: 'input or a new connection to a terminal, command or copy' },
  started: { seenBy: 'launcher', about: 'the box came up' },
  command: { seenBy: 'box', about: 'a command started by exec is running' },
  foreground: { seenBy: 'box', about: 'a program is in the foreground of a terminal' },
  cpu: { seenBy: 'box', about: 'a child process uses CPU' },
  agent: { seenBy: 'box', about: 'an AI agent has a call to its model open' },
  setup: { seenBy: 'box', about: 'the source is being fetched or the setup script is running' },
} as const satisfies Record<string, { seenBy: 'launcher' | 'box'; about: string }>;

export type EvidenceKind = keyof typeof EVIDENCE;
export const EVIDENCE_KINDS = Object.keys(EVIDENCE) as [EvidenceKind, ...EvidenceKind[]];
export const evidenceKindSchema = z.enum(EVIDENCE_KINDS);
