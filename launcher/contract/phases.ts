/** Every phase of a session and every legal edge. All else (types, docs, diagram, tests, store checks) derives from this table. */
export const PHASES = {
  requested: { next: ['launching', 'stopped', 'failed'], about: 'recorded, not yet leased' },
  launching: { next: ['bootstrapping', 'parked', 'ending', 'failed'], about: 'a box is being started' },
  bootstrapping: { next: ['ready', 'launching', 'ending', 'rescuing', 'failed'], about: 'the box is up and prepares its workspace' },
  ready: { next: ['quiescing', 'parking', 'rescuing', 'failed'], about: 'in use' },
  parking: {
    next: ['parked', 'ready', 'quiescing', 'failed'],
    about: 'writers are stopped, then the box of a persistent session is stopped',
  },
  parked: { next: ['launching', 'ending', 'failed'], about: 'stopped and kept: devctl up goes on with it' },
  quiescing: { next: ['ending', 'ready', 'rescuing', 'failed'], about: 'writers are stopped and the snapshot is started' },
  rescuing: { next: ['launching', 'ending', 'failed'], about: 'the box was lost: the next generation takes over its volume' },
  ending: { next: ['saving', 'stopped', 'failed'], about: 'the box is being let go; its volume outlives it' },
  saving: { next: ['stopped', 'failed'], about: 'the snapshot completes, then becomes the head of the workspace' },
  stopped: { next: [], about: 'over: the workspace is saved' },
  failed: { next: [], about: 'over: see the failure; volume and snapshots are kept' },
} as const satisfies Record<string, { next: readonly string[]; about: string }>;

export type Phase = keyof typeof PHASES;
export const PHASE_NAMES = Object.keys(PHASES) as [Phase, ...Phase[]];

export const isFinal = (phase: Phase): boolean => PHASES[phase].next.length === 0;
export const isLegal = (from: Phase, to: Phase): boolean => from === to || (PHASES[from].next as readonly string[]).includes(to);
