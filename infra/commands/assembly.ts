import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join, relative } from 'node:path';
import { readTemplate, type Template } from '../../launcher/contract/plan-template.ts';
import { defineDeployment } from '../app.ts';
import type { TargetConfig } from '../config.ts';

const IMAGE_FILE = 'image.json';

/** Where a deployment's files are, below dist: each has a folder of its own, so that two do not meet. */
export interface Folders {
  /** Folder of the repository. */
  root: string;
  /** The cloud assembly, as the CDK calls it, and beside it what a bake reads. */
  outFolder: string;
  /** The stack's template. */
  templateFile: string;
  /** Of the last deploy: no other command makes it or takes it away before the stack has gone. */
  imageFile: string;
}

export function foldersOf(root: string, { deployment }: TargetConfig): Folders {
  const outFolder = join(root, 'dist/deploy', deployment);
  return { root, outFolder, templateFile: join(outFolder, `${deployment}.template.json`), imageFile: join(outFolder, IMAGE_FILE) };
}

/** A path as it is typed in the folder of the repository. */
export const typed = ({ root }: Folders, path: string): string => relative(root, path);

interface SynthesisProps {
  config: TargetConfig;
  /** Null: CloudFormation fills it in. */
  account: string | null;
  codeFolder: string;
  folders: Folders;
}

/** Makes the assembly anew. @returns the stack's template */
export function synthesize({ config, account, codeFolder, folders: { outFolder, templateFile } }: SynthesisProps): Template {
  mkdirSync(outFolder, { recursive: true });
  for (const name of readdirSync(outFolder)) if (name !== IMAGE_FILE) rmSync(join(outFolder, name), { recursive: true, force: true });
  defineDeployment({ config, account, codeFolder, outFolder }).app.synth();
  return readTemplate(readFileSync(templateFile, 'utf8'));
}
