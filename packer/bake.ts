import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Architecture } from './images.ts';

export interface BakeOptions {
  /** Folder of the repository. */
  root: string;
  arch: Architecture;
  ubuntu: '24.04' | '22.04';
  region: string;
  deployment: string;
  subnet: string;
  securityGroup: string;
  instanceProfileArn: string;
  version: string;
}

/** The oldest Packer that knows the block `required_plugins` as it is written here. */
const PACKER_MIN = [1, 9];

/** What a bake would fail for after minutes, found before it: one line each. */
export function missingForBake(root: string, arch: Architecture, env: NodeJS.ProcessEnv): string[] {
  return [...missingTools(env), ...missingPrograms(root), ...missingChecksums(root, arch)];
}

function missingTools(env: NodeJS.ProcessEnv): string[] {
  const missing: string[] = [];
  const packer = spawnSync('packer', ['version'], { encoding: 'utf8', env });
  const [, major, minor] = /v(\d+)\.(\d+)/.exec(packer.stdout ?? '') ?? [];
  if (packer.error) missing.push('packer is not installed: https://developer.hashicorp.com/packer/install');
  else if (Number(major) * 1000 + Number(minor) < (PACKER_MIN[0] ?? 0) * 1000 + (PACKER_MIN[1] ?? 0))
    missing.push(`packer is ${packer.stdout.split('\n', 1)[0]}, and has to be ${PACKER_MIN.join('.')} or newer`);
  if (spawnSync('session-manager-plugin', ['--version'], { env }).error)
    missing.push('session-manager-plugin is not installed: Packer reaches the machine through Session Manager (see docs/EC2.md)');
  return missing;
}

function missingPrograms(root: string): string[] {
  return ['agent.cjs', 'agent.json', 'devctl.cjs'].flatMap((name) => {
    try {
      readFileSync(join(root, 'dist', name));
      return [];
    } catch {
      return [`dist/${name} is missing: npm run build`];
    }
  });
}

/** The checksums that a bake for this architecture needs, and versions.env has none for. */
function missingChecksums(root: string, arch: Architecture): string[] {
  const other = arch === 'arm64' ? '_AMD64' : '_ARM64';
  const empty = readFileSync(join(root, 'packer/versions.env'), 'utf8')
    .split('\n')
    .flatMap((line) => /^([A-Z0-9_]+)=$/.exec(line)?.[1] ?? [])
    .filter((name) => !name.endsWith(other));
  return empty.length === 0
    ? []
    : [`packer/versions.env has no ${empty.join(', ')}: run packer/pin.sh, review what it writes, and commit it`];
}

/** Bakes an image, with Packer's own words on standard error. @returns its id. @throws Error */
export function bake(options: BakeOptions): string {
  const { root, arch, ubuntu, region, deployment, subnet, securityGroup, instanceProfileArn, version } = options;
  const folder = join(root, 'packer');
  const profile = instanceProfileArn.slice(instanceProfileArn.lastIndexOf('/') + 1);
  const variables = {
    region,
    deployment,
    arch,
    ubuntu,
    subnet_id: subnet,
    security_group_id: securityGroup,
    instance_profile: profile,
    version,
  };
  packer(folder, ['init', '.']);
  packer(folder, ['build', '-color=false', ...Object.entries(variables).flatMap(([name, value]) => ['-var', `${name}=${value}`]), '.']);
  return imageOfManifest(join(folder, 'manifest.json'), region);
}

function packer(cwd: string, args: string[]): void {
  const { status, error, signal } = spawnSync('packer', args, { cwd, stdio: ['ignore', 2, 2] });
  if (status !== 0)
    throw new Error(
      `packer ${args[0]} failed (${error?.message ?? signal ?? `exit code ${status}`}): what it said stands above; nothing is published`,
    );
}

/** The image that the last run of Packer made. @throws Error when the manifest names none */
export function imageOfManifest(path: string, region: string): string {
  const { builds = [], last_run_uuid: last } = JSON.parse(readFileSync(path, 'utf8')) as {
    builds?: { artifact_id?: string; packer_run_uuid?: string }[];
    last_run_uuid?: string;
  };
  const artifact = builds.find(({ packer_run_uuid: run }) => run === last)?.artifact_id ?? '';
  const id = artifact.split(',').find((part) => part.startsWith(`${region}:ami-`));
  if (id === undefined) throw new Error(`${path} names no image in ${region} for the last run: ${artifact || 'nothing'}`);
  return id.slice(region.length + 1);
}
