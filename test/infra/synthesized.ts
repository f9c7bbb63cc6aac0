import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Deployment, defineDeployment } from '../../infra/app.ts';
import { parseTargetConfig, type TargetConfigInput } from '../../infra/config.ts';

export interface Resource {
  Type: string;
  Properties: Record<string, unknown>;
  DeletionPolicy?: string;
  UpdateReplacePolicy?: string;
  DependsOn?: string[];
}

export interface Template {
  Resources: Record<string, Resource>;
  Outputs?: Record<string, { Value: unknown }>;
  Parameters?: Record<string, unknown>;
}

export const ACCOUNT = '123456789012';

export const CONFIG: TargetConfigInput = {
  region: 'eu-central-1',
  network: { zones: 3 },
  alertEmails: ['team@example.com'],
  target: { cluster: 'generators', stacks: ['GeneratorDev'], repositories: ['generator'] },
  architectures: ['x86_64', 'arm64'],
};

export interface Synthesized extends Deployment {
  template: Template;
  assetsTemplate: Template;
  /** Of the cloud assembly. */
  folder: string;
  remove(): void;
}

/** The templates of a deployment with a change of its file, from code that is a file in a folder. */
export function synthesized(change: Partial<TargetConfigInput> = {}, account: string | null = ACCOUNT): Synthesized {
  const folder = mkdtempSync(join(tmpdir(), 'devctl-infra-'));
  const codeFolder = mkdtempSync(join(tmpdir(), 'devctl-infra-code-'));
  writeFileSync(join(codeFolder, 'index.mjs'), 'export const api = () => {}; export const events = api;\n');
  const config = parseTargetConfig({ ...CONFIG, ...change }, 'test');
  const deployment = defineDeployment({ config, account, codeFolder, outFolder: folder });
  const assembly = deployment.app.synth();
  rmSync(codeFolder, { recursive: true });
  return {
    ...deployment,
    template: assembly.getStackByName(deployment.stack.stackName).template as Template,
    assetsTemplate: assembly.getStackByName(deployment.assets.stackName).template as Template,
    folder,
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

export const ofType = ({ Resources }: Template, type: string): Resource[] => Object.values(Resources).filter(({ Type }) => Type === type);

/** The only one of its type. */
export function only(template: Template, type: string): Resource {
  const found = ofType(template, type);
  if (found.length !== 1) throw new Error(`${found.length} of ${type}`);
  return found[0] as Resource;
}

/** What CloudFormation would make of a value, as far as it is text: references become their logical ids. */
export function resolved(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(resolved);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value);
  const [[name, of] = ['', undefined]] = entries;
  if (entries.length === 1) {
    if (name === 'Ref') return of === 'AWS::Partition' ? 'aws' : of === 'AWS::AccountId' ? ACCOUNT : `<${of}>`;
    if (name === 'Fn::GetAtt') return `<${(of as string[]).join('.')}>`;
    if (name === 'Fn::Join') return (resolved((of as [string, unknown[]])[1]) as string[]).join((of as [string, unknown[]])[0]);
    if (name === 'Fn::Base64') return Buffer.from(String(resolved(of))).toString('base64');
  }
  return Object.fromEntries(entries.map(([key, each]) => [key, resolved(each)]));
}
