import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Session } from '../launcher/client/client.ts';
import { run, timeOf } from './command.ts';
import type { Context } from './context.ts';
import type { Engine } from './engine.ts';
import { discard } from './launcher.ts';
import { interleave, type Missing, ratiosOf, type Section, type Subject } from './measure.ts';

const NODE = 'node -e 0';
const VERSION = 'devctl --version';
const LS = 'devctl ls';
const UP = 'devctl up FOLDER';
const EXEC = 'devctl exec WS -- true';
const DC_UP = 'devcontainer up';
const DC_EXEC = 'devcontainer exec true';

/** Whole commands, from the spawn to the end of their output. */
export async function cliSection(context: Context): Promise<Section> {
  const { launcher, engine, quick } = context;
  const folder = mkdtempSync(join(tmpdir(), 'devctl-bench-cli-'));
  const devctl = (...words: string[]) => run([...launcher.devctl, ...words], { env: launcher.env, cwd: folder });
  try {
    const standing = JSON.parse((await devctl('up', makeProject(folder, 'standing'), '-o', 'json')).stdout) as Session;
    const own: Subject[] = [
      { name: NODE, once: () => timeOf([process.execPath, '-e', '0']) },
      { name: VERSION, once: async () => (await devctl('--version')).ms },
      { name: LS, once: async () => (await devctl('ls')).ms },
      upSubject(context, folder),
      { name: EXEC, once: async () => (await devctl('exec', standing.workspace, '--', 'true')).ms },
    ];
    const { subjects, missing, clean } = await devcontainerSubjects(engine, folder);
    try {
      const rows = await interleave([...own, ...subjects], quick ? 2 : 8);
      const ratios = ratiosOf(rows, [
        [VERSION, NODE, 1.5],
        [LS, NODE, 2.5],
        [UP, DC_UP, 0.6],
        [EXEC, DC_EXEC, 0.6],
      ]);
      return {
        title: 'The command line',
        rows,
        ratios,
        notes: ['`up` makes a new workspace from a folder with 20 small files; the launcher is warm.'],
        missing,
      };
    } finally {
      await clean();
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A small project: 20 files of 1 KiB. */
function makeProject(folder: string, name: string): string {
  const project = join(folder, name);
  mkdirSync(join(project, 'lib'), { recursive: true });
  for (let index = 0; index < 20; index += 1) writeFileSync(join(project, 'lib', `part-${index}.txt`), `${index}\n`.padStart(1024, '.'));
  return project;
}

function upSubject({ launcher }: Context, folder: string): Subject {
  let number = 0;
  return {
    name: UP,
    async once() {
      number += 1;
      const project = makeProject(folder, `up-${number}`);
      const { ms, stdout } = await run([...launcher.devctl, 'up', project, '-o', 'json'], { env: launcher.env, cwd: folder });
      await discard(launcher.client, JSON.parse(stdout) as Session);
      return ms;
    },
  };
}

interface Devcontainers {
  subjects: Subject[];
  missing: Missing[];
  clean: () => Promise<void>;
}

async function devcontainerSubjects(engine: Engine | string, folder: string): Promise<Devcontainers> {
  const none = (why: string): Devcontainers => ({
    subjects: [],
    missing: [DC_UP, DC_EXEC].map((what) => ({ what, why })),
    clean: async () => {},
  });
  if (typeof engine === 'string') return none(engine);
  if (engine.devcontainer === null) return none('the Dev Container CLI is installed by npm run bench -- --engine');
  const { env, docker } = engine;
  const command = (...words: string[]) => [...(engine.devcontainer ?? []), ...words, '--user-data-folder', join(folder, 'user-data')];
  const up = async (project: string): Promise<{ ms: number; id: string }> => {
    const { ms, stdout } = await run(command('up', '--workspace-folder', project), { env });
    return { ms, id: (JSON.parse(stdout.trim().split('\n').at(-1) ?? '{}') as { containerId: string }).containerId };
  };
  const project = (name: string): string => {
    const dir = makeProject(folder, name);
    mkdirSync(join(dir, '.devcontainer'), { recursive: true });
    writeFileSync(join(dir, '.devcontainer/devcontainer.json'), JSON.stringify({ image: engine.image, runArgs: ['--network=host'] }));
    return dir;
  };
  const standing = project('dc-standing');
  const { id } = await up(standing);
  const remove = async (container: string) => void (await run([docker, 'rm', '-f', container], { env }));
  let number = 0;
  const upOnce = async (): Promise<number> => {
    number += 1;
    const made = await up(project(`dc-${number}`));
    await remove(made.id);
    return made.ms;
  };
  return {
    subjects: [
      { name: DC_UP, once: upOnce },
      { name: DC_EXEC, once: () => timeOf(command('exec', '--workspace-folder', standing).concat('true'), { env }) },
    ],
    missing: [],
    clean: () => remove(id),
  };
}
