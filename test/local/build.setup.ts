import { execFileSync } from 'node:child_process';
import { findTool } from '../../launcher/providers/local/isolation.ts';

/** The suites of this project run the built programs: build them once, from what is here now. */
export default function buildPrograms(): void {
  if (findTool('bwrap') === null) console.warn('bubblewrap is not installed: its suites are skipped (apt install bubblewrap)');
  execFileSync(process.execPath, ['.ci/build.mjs'], { cwd: new URL('../..', import.meta.url), stdio: 'inherit' });
}
