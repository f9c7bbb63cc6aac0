import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { launchReady, openBench, shell } from '../local/local-harness.ts';

/** What the program prints. */
export interface Seen {
  /** What doctor says of the limits. */
  doctor: string;
  /** Where the box is counted, how many processes are, and the bounds that are set there. */
  folders: string[];
  counted: number;
  bounds: Record<string, string>;
  works: string;
  left: string[];
}

const BOUNDS = ['memory.max', 'memory.swap.max', 'pids.max', 'cpu.max'];

/** Prints as JSON what is in force for a small box, and what is left of that once it has ended. */
const [stateDir] = process.argv.slice(2) as [string];
const bench = await openBench({ stateDir });
try {
  const { provider } = bench;
  const { box, boxId } = await launchReady(bench, { size: 'small' });
  const folders: string[] = JSON.parse(readFileSync(join(stateDir, 'boxes', boxId, 'meta.json'), 'utf8')).cgroups;
  const [folder] = folders;
  const read = (name: string) => (folder ? readFileSync(join(folder, name), 'utf8').trim() : '');
  const bounds = Object.fromEntries(BOUNDS.map((name) => [name, read(name)]));
  const counted = read('cgroup.procs').split('\n').filter(Boolean).length;
  const doctor = (await provider.doctorChecks()).find(({ name }) => name === 'limits')?.detail ?? '';
  const works = await shell(provider, box, 'echo works');
  await provider.end(box);
  const left = folders.filter((path) => existsSync(path));
  const seen: Seen = { doctor, folders, counted, bounds, works, left };
  process.stdout.write(JSON.stringify(seen));
} finally {
  await bench.close();
}
