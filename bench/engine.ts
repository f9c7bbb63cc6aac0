import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findProgram, run, works } from './command.ts';

/** A Docker engine that answers, and the Dev Container CLI where it was installed for this run. */
export interface Engine {
  docker: string;
  env: NodeJS.ProcessEnv;
  image: string;
  /** Program and first arguments; null: not installed. */
  devcontainer: string[] | null;
  stop(): Promise<void>;
}

const IMAGE = 'tiny:latest';

/** @returns the engine of DOCKER_HOST or of this machine, or why there is none */
export async function findEngine(root: string, start: boolean): Promise<Engine | string> {
  if (start) return startEngine(root);
  const docker = findProgram('docker');
  if (docker === null) return 'no docker on this machine: try npm run bench -- --engine';
  if (!works(docker, ['version'])) return 'no Docker engine answers: set DOCKER_HOST, or try npm run bench -- --engine';
  if (!works(docker, ['image', 'inspect', IMAGE])) return `the engine has no image ${IMAGE}: make one as bench/engine.sh does`;
  return { docker, env: process.env, image: IMAGE, devcontainer: null, stop: async () => {} };
}

async function startEngine(root: string): Promise<Engine> {
  const script = join(root, 'bench/engine.sh');
  const dir = mkdtempSync(join(tmpdir(), 'devctl-engine-'));
  const stop = async () => void (await run([script, 'stop', dir]));
  try {
    const { stdout } = await run([script, 'start', dir]);
    const devcontainer = await installDevcontainer(root);
    const docker = findProgram('docker') ?? 'docker';
    return { docker, env: { ...process.env, DOCKER_HOST: stdout.trim() }, image: IMAGE, devcontainer, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function installDevcontainer(root: string): Promise<string[]> {
  const folder = join(root, 'bench/devcontainer');
  await run(['npm', 'ci', '--ignore-scripts', '--no-audit', '--no-fund'], { cwd: folder });
  return [process.execPath, join(folder, 'node_modules/@devcontainers/cli/devcontainer.js')];
}
