import { randomBytes } from 'node:crypto';
import type { SnapshotStatus } from '../../launcher/ports/compute.ts';
import { launchReady, openBench, shell } from './local-harness.ts';

/** What the program prints. */
export interface Seen {
  uid: number | undefined;
  who: string;
  content: string;
  restored: string;
  files: number;
  snapshot: SnapshotStatus;
  left: unknown[];
}

/** The main job as an ordinary user, whoever runs the tests: prints what was seen as JSON. */
const [stateDir, isolation] = process.argv.slice(2) as [string, 'bubblewrap' | 'unshare'];
const bench = await openBench({ stateDir, isolation });
try {
  const first = await launchReady(bench);
  // A folder that even its owner may not read, and one that cannot be emptied, as package managers leave them.
  const content = randomBytes(8).toString('hex');
  await shell(
    bench.provider,
    first.box,
    `echo ${content} > file && mkdir shut dry && echo x > shut/in && echo y > dry/in && chmod 0 shut && chmod 0555 dry`,
  );
  const who = await shell(bench.provider, first.box, 'id -u; whoami; grep -E "CapEff|NoNewPrivs" /proc/self/status');
  const report = await bench.provider.quiesce(first.box, 'q');
  const ref = { workspaceId: first.request.tags.workspaceId, id: 'snap_1' };
  const tags = { ...first.request.tags, operationId: 's' };
  const snapshot = await bench.provider.snapshot({ tags, ref, volumeId: first.volumeId, liveBox: null, parent: null });
  await bench.provider.end(first.box);
  await bench.provider.dropVolume(first.volumeId);
  const second = await launchReady(bench, { source: { kind: 'snapshot', snapshot: ref } });
  const restored = await shell(bench.provider, second.box, 'cat file; stat -c "%n %a" shut dry; chmod 700 shut && cat shut/in');
  await bench.provider.end(second.box);
  await bench.provider.dropVolume(second.volumeId);
  await bench.provider.dropSnapshot(ref);
  const left = (await bench.provider.list()).items;
  const seen: Seen = { uid: process.getuid?.(), who, content, restored, files: report.files, snapshot, left };
  process.stdout.write(JSON.stringify(seen));
} finally {
  await bench.close();
}
