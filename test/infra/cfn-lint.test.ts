import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { synthesized } from './synthesized.ts';

/** W3005 finds a dependency that the CDK writes although a reference has it already; it does no harm. */
const IGNORED = 'W3005';
const isThere = spawnSync('cfn-lint', ['--version']).error === undefined;

// Where it is not installed (pip install cfn-lint) the suite counts it as skipped.
it.skipIf(!isThere)('cfn-lint finds nothing in the templates, with and without an account', { timeout: 120_000 }, () => {
  const deployments = [synthesized({ fallback: { codeBuild: true } }), synthesized({}, null)];
  const files = deployments.flatMap(({ folder, names }) =>
    [names.stack, names.assetsStack].map((stack) => join(folder, `${stack}.template.json`)),
  );
  const { stdout, status } = spawnSync('cfn-lint', ['--ignore-checks', IGNORED, '--', ...files], { encoding: 'utf8' });
  expect(stdout.trim()).toBe('');
  expect(status).toBe(0);
  for (const { remove } of deployments) remove();
});
