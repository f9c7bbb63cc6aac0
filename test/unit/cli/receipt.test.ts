import { describe, expect, it } from 'vitest';
import { receiptLines } from '../../../launcher/cli/receipt.ts';
import type { Session } from '../../../launcher/client/client.ts';
import { report } from '../core/samples.ts';

function ended(patch: Partial<NonNullable<NonNullable<Session['receipt']>['report']>>, clean = true): Session {
  return {
    workspace: 'shop',
    createdAt: '2026-01-01T10:00:00.000Z',
    endedAt: '2026-01-01T11:00:00.000Z',
    cost: null,
    receipt: { snapshot: 'snap_1', parent: null, clean, report: { ...report, ...patch }, newBytes: null, snapshotBytes: null },
  } as unknown as Session;
}

describe('a receipt', () => {
  it('says what is nowhere else', () => {
    const repository = { path: 'src', branch: 'main', dirtyFiles: 3, unpushedCommits: 2, hasRemote: true };
    expect(receiptLines(ended({ repositories: [repository] }))).toEqual([
      'receipt shop@snap_1  everything on disk is in it',
      '  not pushed: 2 commits on main · 3 files changed',
      '  this session: 1 h',
    ]);
  });

  it.each([
    ['unmounted', 0],
    ['frozen', /it was frozen, with all that was written/],
    ['open', /may have been written to since/],
  ] as const)('of a disk that was left %s names what had not let go of it', (disk, told) => {
    const lines = receiptLines(ended({ disk }));
    if (told === 0) expect(lines).toHaveLength(2);
    else expect(lines[1]).toMatch(told);
  });
});
