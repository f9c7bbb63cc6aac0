import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { afterAll, expect, it } from 'vitest';
import { prepareStateFolder } from '../../../launcher/stores/embedded/state-folder.ts';

const scratch = mkdtempSync(join(tmpdir(), 'devctl-state-'));
afterAll(() => rmSync(scratch, { recursive: true }));

it('takes the files of a launcher that prepares the same new folder for those of no stranger', async () => {
  const open = async (dir: string) => {
    await prepareStateFolder(dir);
    mkdirSync(join(dir, 'table'), { recursive: true });
  };
  for (let round = 0; round < 100; round++) {
    const dir = join(scratch, String(round));
    const all: Promise<void>[] = [];
    for (let started = 0; started < 5; started++) {
      all.push(open(dir));
      for (let turns = round % 7; turns > 0; turns--) await setImmediate();
    }
    await Promise.all(all);
    expect(readdirSync(dir)).toEqual(['table', 'version']);
  }
});
