import { describe, expect, it } from 'vitest';
import { diskOf, withFileSystem } from '../../../launcher/core/disk.ts';
import { box, session, WS, workspace } from './samples.ts';

const UUID = '11111111-2222-4333-8444-555555555555';
const booting = session({ phase: 'bootstrapping', box: box({ volumeId: 'vol-1' }) });
const volume = (patch: { id: string; fileSystem?: string }) => ({ epoch: 1, savedEpoch: 0, keepUntil: null, ...patch });
const head = { workspaceId: WS, id: 'snap_1' };

describe('the disk of a box', () => {
  it('may be formatted while nothing was ever on it', () => {
    expect(diskOf(booting, workspace({ volume: volume({ id: 'vol-1' }) }))).toEqual({
      volumeId: 'vol-1',
      fileSystem: null,
      mayFormat: true,
    });
  });

  it.each([
    ['it was mounted before', { volume: volume({ id: 'vol-1', fileSystem: UUID }), fileSystem: UUID }, UUID],
    ['it comes from a snapshot', { head, volume: volume({ id: 'vol-1' }), fileSystem: UUID }, UUID],
    ['it comes from a snapshot of which no more is known', { head, volume: volume({ id: 'vol-1' }) }, null],
    [
      'it is a copy of that of another workspace',
      { source: { kind: 'fork' as const, workspace: 'shop', snapshot: head }, volume: volume({ id: 'vol-1' }), fileSystem: UUID },
      UUID,
    ],
  ])('is never formatted when %s', (_name, patch, fileSystem) => {
    expect(diskOf(booting, workspace(patch))).toEqual({ volumeId: 'vol-1', fileSystem, mayFormat: false });
  });

  it('of a first one that went, before anything of it was saved, is another first one', () => {
    const again = workspace({ fileSystem: UUID, volume: volume({ id: 'vol-1' }) });
    expect(diskOf(booting, again)).toEqual({ volumeId: 'vol-1', fileSystem: null, mayFormat: true });
  });

  it.each([
    ['no box', session({ box: null }), workspace({ volume: volume({ id: 'vol-1' }) })],
    ['no workspace', booting, null],
    ['a workspace with another volume', booting, workspace({ volume: volume({ id: 'vol-2' }) })],
    ['a workspace without a volume', booting, workspace({ volume: null })],
  ])('is not told with %s', (_name, record, ws) => {
    expect(() => diskOf(record, ws)).toThrow(expect.objectContaining({ code: 'wrong_phase' }));
  });
});

describe('a file system that a box has mounted', () => {
  it('is noted once, and not of a workspace without a disk', () => {
    const fresh = workspace({ volume: volume({ id: 'vol-1' }) });
    const noted = withFileSystem(fresh, UUID);
    expect(noted).toMatchObject({ fileSystem: UUID, volume: { id: 'vol-1', fileSystem: UUID } });
    expect(withFileSystem(noted ?? fresh, UUID)).toBeNull();
    expect(withFileSystem(workspace({ volume: null }), UUID)).toBeNull();
  });
});
