// What the example of a target deploys, as CloudFormation gets it: the one place where documents and tests have it from.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { defineDeployment } from '../infra/app.ts';
import { parseTargetConfig, type TargetConfigInput } from '../infra/config.ts';
import { readTemplate, type Template } from '../launcher/contract/plan-template.ts';

export interface Deployed {
  /** The launcher's stack, and below it the one with the bucket for its code; JSON texts by the names of the stacks. */
  stacks: Record<string, string>;
  /** All resources of both. */
  template: Template;
}

/** `root` is the folder of the repository; `patch` is said otherwise than in the example. The functions' code is left out: no document depends on it. */
export function synthesize(root: string, patch: Partial<TargetConfigInput> = {}): Deployed {
  const scratch = mkdtempSync(join(tmpdir(), 'devctl-deployment-'));
  try {
    const codeFolder = join(scratch, 'code');
    mkdirSync(codeFolder);
    writeFileSync(join(codeFolder, 'index.cjs'), '');
    const example = join(root, 'docs/target.example.json');
    const config = parseTargetConfig({ ...JSON.parse(readFileSync(example, 'utf8')), ...patch }, example);
    const { app } = defineDeployment({ config, account: config.account ?? null, codeFolder, outFolder: join(scratch, 'out') });
    const texts = app.synth().stacks.map(({ stackName, template }) => [stackName, JSON.stringify(template)] as const);
    const templates = texts.map(([, text]) => readTemplate(text));
    const template = {
      resources: templates.flatMap(({ resources }) => resources),
      parameters: Object.assign({}, ...templates.map(({ parameters }) => parameters)),
    };
    return { stacks: Object.fromEntries(texts), template };
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}
