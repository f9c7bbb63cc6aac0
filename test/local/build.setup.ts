import { execFileSync } from 'node:child_process';

/** The suites of this project run the built programs: build them once, from what is here now. */
export default function buildPrograms(): void {
  execFileSync(process.execPath, ['.ci/build.mjs'], { cwd: new URL('../..', import.meta.url), stdio: 'inherit' });
}
