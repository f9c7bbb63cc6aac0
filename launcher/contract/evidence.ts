import * as z from 'zod';

/**
 * Signs of work, and what each means. `seenBy` launcher: the control plane saw it itself; box: the box's own word. What does not hold is
 * shown to whoever asks why, and moves no deadline.
 */
export const EVIDENCE = {
  api: { seenBy: 'launcher', about: 'an API call on the session' },
  connection: { seenBy: 'launcher', about: 'input or a new connection to a terminal, command or copy' },
  started: { seenBy: 'launcher', about: 'the box came up' },
  command: { seenBy: 'box', about: 'a command started by exec is running' },
  foreground: { seenBy: 'box', about: 'a program is in the foreground of a terminal' },
  cpu: { seenBy: 'box', about: 'a child process uses CPU' },
  agent: { seenBy: 'box', about: 'an AI agent has a call to its model open' },
  terminal: { seenBy: 'box', about: 'somebody typed at a terminal that devctl did not open' },
  forward: { seenBy: 'box', about: 'a connection from outside to a port that the workload listens on is open' },
  build: { seenBy: 'box', about: 'an image is being built' },
  containers: { seenBy: 'box', about: 'a compose project is up: no work by itself', holds: false },
  setup: { seenBy: 'box', about: 'the source is being fetched or the setup script is running' },
} as const satisfies Record<string, { seenBy: 'launcher' | 'box'; about: string; holds?: false }>;

export type EvidenceKind = keyof typeof EVIDENCE;
export const EVIDENCE_KINDS = Object.keys(EVIDENCE) as [EvidenceKind, ...EvidenceKind[]];
export const evidenceKindSchema = z.enum(EVIDENCE_KINDS);

/** Whether evidence of a kind moves the idle deadline. */
export const evidenceHolds = (kind: EvidenceKind): boolean => !('holds' in EVIDENCE[kind]);
