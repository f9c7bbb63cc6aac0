import { setTimeout as sleep } from 'node:timers/promises';
import type { Session } from '../launcher/client/client.ts';
import { findProgram, run, timeOf, works } from './command.ts';
import type { Context } from './context.ts';
import { discard } from './launcher.ts';
import { interleave, type Missing, type Row, ratiosOf, rowOf, type Section, type Subject } from './measure.ts';

const POST = 'POST /sessions?wait=ready';
const DOCKER_TRUE = 'docker run --rm … true';
const DOCKER_DETACHED = 'docker run -d … sleep';
const BWRAP = 'bwrap … true';
const NODE = 'node -e 0';

/** A new box for a new empty workspace, against what it costs to start something by other means. */
export async function boxSection({ launcher, engine, quick }: Context): Promise<Section> {
  const missing: Missing[] = [];
  const sessions: Session[] = [];
  let number = 0;
  const post: Subject = {
    name: POST,
    async once() {
      number += 1;
      const startMs = performance.now();
      const session = await launcher.client.call('createSession', { body: { workspace: `box-${number}` }, query: { wait: 'ready' } });
      const tookMs = performance.now() - startMs;
      sessions.push(session);
      await discard(launcher.client, session);
      return tookMs;
    },
  };
  const subjects = [post, { name: NODE, once: () => timeOf([process.execPath, '-e', '0']) }];
  const bwrap = findProgram('bwrap');
  if (bwrap && works(bwrap, bwrapArgs)) subjects.push({ name: BWRAP, once: () => timeOf([bwrap, ...bwrapArgs]) });
  else missing.push({ what: BWRAP, why: 'bubblewrap is not installed, or may not be used here' });
  if (typeof engine === 'string') missing.push({ what: 'docker run', why: engine });
  else subjects.push(...dockerSubjects(engine.docker, engine.env, engine.image));
  const rows = await interleave(subjects, quick ? 3 : 20);
  const steps = stepRows(sessions.slice(1));
  const ratios = ratiosOf(rows, [
    [POST, DOCKER_TRUE, 1],
    [POST, DOCKER_DETACHED],
    [POST, BWRAP],
    [POST, NODE],
  ]);
  const notes = [
    "The steps are those of `session.timings`, each counted from the one before it. Docker images are local; containers use the host's network.",
  ];
  return { title: 'A new box', rows: [...rows, ...steps], ratios, notes, missing };
}

const bwrapArgs = ['--ro-bind', '/', '/', '--dev', '/dev', '--proc', '/proc', '--unshare-pid', '--unshare-ipc', '--unshare-uts', 'true'];

function dockerSubjects(docker: string, env: NodeJS.ProcessEnv, image: string): Subject[] {
  return [
    { name: DOCKER_TRUE, once: () => timeOf([docker, 'run', '--rm', '--network=host', image, 'true'], { env }) },
    {
      name: DOCKER_DETACHED,
      async once() {
        const { ms, stdout } = await run([docker, 'run', '-d', '--network=host', image, 'sleep', '600'], { env });
        await run([docker, 'rm', '-f', stdout.trim()], { env });
        // The engine goes on tidying for a moment.
        await sleep(20);
        return ms;
      },
    },
  ];
}

/** Time of each step of the sessions that were made: milliseconds between the phases. */
function stepRows(sessions: readonly Session[]): Row[] {
  const order = Object.entries(sessions[0]?.timings ?? {})
    .toSorted(([, a], [, b]) => a - b)
    .map(([phase]) => phase);
  return order.slice(0, -1).map((phase, index) => {
    const next = order[index + 1] as string;
    const samples = sessions.map(({ timings }) => (timings[next] ?? Number.NaN) - (timings[phase] ?? Number.NaN));
    return rowOf(`  step: ${phase} → ${next}`, samples);
  });
}
