import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { DeadlineNote } from '../../../agent-bootstrap/deadline-note.ts';
import { monotonicMs } from '../../../agent-bootstrap/monotonic.ts';

it('the end of a box is known to the agent that comes after, and nothing is where nothing was noted', () => {
  const folder = mkdtempSync(join(tmpdir(), 'devctl-note-'));
  const path = join(folder, 'deadline.json');
  expect(new DeadlineNote(path).read()).toBeNull();
  expect(new DeadlineNote(null).read()).toBeNull();
  new DeadlineNote(null).write(1);
  new DeadlineNote(path).write(monotonicMs() + 3_600_000);
  expect(Math.round(((new DeadlineNote(path).read() ?? 0) - monotonicMs()) / 10_000)).toBe(360);
  writeFileSync(path, 'nonsense');
  expect(new DeadlineNote(path).read()).toBeNull();
  rmSync(folder, { recursive: true });
});
