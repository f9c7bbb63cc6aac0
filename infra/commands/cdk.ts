import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { Failure } from './failure.ts';

export interface Tools {
  /** Folder of the repository. */
  root: string;
  env: NodeJS.ProcessEnv;
  profile: string | undefined;
  region: string;
}

/** Runs a program with its words in the terminal, on standard error: standard output is for data. @throws Failure when it fails */
export async function run(program: string, words: string[], { root, env }: Pick<Tools, 'root' | 'env'>, hint: string): Promise<void> {
  const child = spawn(program, words, { cwd: root, env, stdio: ['inherit', process.stderr, process.stderr] });
  const code = await new Promise<number | string>((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', (status, signal) => resolve(status ?? signal ?? 1));
  });
  if (code !== 0) throw new Failure(`${[program.split('/').pop(), ...words.slice(0, 2)].join(' ')} ended with ${code}`, hint);
}

/** The CDK's own command line, of this repository. */
export function cdk(words: string[], tools: Tools, hint: string): Promise<void> {
  const { root, profile, region, env } = tools;
  const program = join(root, 'node_modules/.bin/cdk');
  const common = ['--no-notices', '--no-version-reporting', ...(profile === undefined ? [] : ['--profile', profile])];
  return run(
    program,
    [...words, ...common],
    { root, env: { ...env, AWS_REGION: region, AWS_DEFAULT_REGION: region, CDK_DISABLE_VERSION_CHECK: '1' } },
    hint,
  );
}
