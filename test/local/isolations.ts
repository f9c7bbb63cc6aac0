import { describe } from 'vitest';
import { findTool } from '../../launcher/providers/local/isolation.ts';

export const ISOLATIONS = ['bubblewrap', 'unshare'] as const;
type IsolationHere = (typeof ISOLATIONS)[number];

/** What is there on this machine. unshare is on every Linux. */
export const isInstalled = (isolation: IsolationHere): boolean => isolation === 'unshare' || findTool('bwrap') !== null;

/** The same suite, with `%s` in its title, for each way to keep boxes in; one that is not installed here is skipped, and counted as that. */
export function eachIsolation(title: string, suite: (isolation: IsolationHere) => void): void {
  for (const isolation of ISOLATIONS) describe.skipIf(!isInstalled(isolation))(title.replace('%s', isolation), () => suite(isolation));
}
