import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Snapshot, Workspace } from '../../launcher/contract/api.ts';
import { computeSuite } from '../contract/compute.suite.ts';
import { Person } from '../local/cli-harness.ts';
import { type Bench, launchReady, openBench, openSubject, shell } from '../local/local-harness.ts';
import { extentFlags, FileSystem } from './file-system.ts';

const MIB = 1024 ** 2;
const BIG_MIB = 200;
const DAY_MIB = 64;

describe.each(['xfs', 'btrfs'] as const)('state on %s, where copies share their blocks', (name) => {
  let disk: FileSystem;
  beforeAll(() => {
    disk = new FileSystem(name);
  });
  afterAll(() => disk?.close());

  computeSuite(name, () => openSubject({ stateDir: disk.folder('suite') }));

  describe('a big file', () => {
    let bench: Bench;
    beforeAll(async () => {
      bench = await openBench({ stateDir: disk.folder('state') });
    });
    afterAll(() => bench?.close());

    it('is shared by volume, snapshot and restored volume, and what is changed in one is of that one', async () => {
      const { provider, stateDir } = bench;
      const first = await launchReady(bench);
      await shell(provider, first.box, `head -c ${BIG_MIB * MIB} /dev/urandom > big`);
      const sums = 'sha256sum < big';
      const sum = await shell(provider, first.box, sums);
      const used = disk.usedBytes();
      const ref = { workspaceId: first.request.tags.workspaceId, id: 'snap_1' };
      const tags = { ...first.request.tags, operationId: 'share' };
      const status = await provider.snapshot({ tags, ref, volumeId: first.volumeId, liveBox: first.box, parent: null });
      expect(status).toMatchObject({ state: 'completed', newBytes: null });
      const second = await launchReady(bench, { source: { kind: 'snapshot', snapshot: ref } });
      expect(disk.usedBytes() - used).toBeLessThan((BIG_MIB / 10) * MIB);

      const places = [`volumes/${first.volumeId}`, `snapshots/${ref.workspaceId}/snap_1`, `volumes/${second.volumeId}`];
      for (const place of places) {
        const flags = extentFlags(join(stateDir, place, 'tree/src/big'));
        expect(flags.length).toBeGreaterThan(0);
        for (const flag of flags) expect(flag, place).toContain('shared');
      }

      await shell(provider, second.box, 'printf changed | dd of=big conv=notrunc bs=1 seek=1000000 status=none');
      expect(await shell(provider, second.box, sums)).not.toBe(sum);
      expect(await shell(provider, first.box, sums)).toBe(sum);
      const third = await launchReady(bench, { source: { kind: 'snapshot', snapshot: ref } });
      expect(await shell(provider, third.box, sums)).toBe(sum);
      for (const { box, volumeId } of [first, second, third]) {
        await provider.end(box);
        await provider.dropVolume(volumeId);
      }
    });
  });

  describe('a working day', () => {
    let person: Person;
    beforeAll(() => {
      person = new Person(disk.root);
    });
    afterAll(() => person?.leave());

    it('goes as everywhere, and its snapshots and forks cost next to nothing', async () => {
      const shop = { cwd: person.folder('shop') };
      const inBox = (command: string, workspace = 'shop') => person.must(['exec', workspace, '--', 'sh', '-c', command], shop);
      expect(await person.must(['up'], shop)).toContain('is ready');
      expect(await person.must(['doctor'], shop)).toContain('share their blocks');
      const sum = await inBox(`head -c ${DAY_MIB * MIB} /dev/urandom > big; echo edit > note; sha256sum < big`);
      const used = disk.usedBytes();
      await person.must(['snapshot'], shop);
      await person.must(['fork', 'shop', '--count', '2', '--up'], shop);
      for (const fork of ['shop-f1', 'shop-f2']) expect(await inBox('sha256sum < big', fork)).toBe(sum);
      await inBox('echo mine > note', 'shop-f1');
      await person.must(['down', '--all', '--yes'], shop);
      expect(disk.usedBytes() - used).toBeLessThan((DAY_MIB / 2) * MIB);

      await person.must(['restore', 'shop', 'snap_1', '--yes'], shop);
      await person.must(['up'], shop);
      expect(await inBox('sha256sum < big; cat note')).toBe(`${sum}edit\n`);
      await person.must(['up', 'shop-f1'], shop);
      expect(await inBox('cat note', 'shop-f1')).toBe('mine\n');
      await person.must(['down', '--all', '--yes'], shop);
      for (const workspace of await person.json<Workspace[]>(['workspace', 'ls'], shop)) {
        const snapshots = await person.json<Snapshot[]>(['snapshot', 'ls', workspace.name], shop);
        expect(snapshots.every(({ state }) => state === 'completed')).toBe(true);
      }
      expect(readdirSync(join(person.state, 'local/snapshots'))).toHaveLength(3);
    });
  });
});
