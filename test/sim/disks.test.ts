import { beforeEach, describe, expect, it } from 'vitest';
import { BLANK, Disk, Mount, textsOf } from './disks.ts';

describe('disks', () => {
  let broken: string[];
  let writers: string[];
  let writeBack: boolean;
  let disk: Disk;
  const writer = { instanceId: 'i-1' };
  beforeEach(() => {
    let versions = 0;
    broken = [];
    writers = [];
    writeBack = false;
    disk = new Disk(BLANK, {
      nextVersion: () => {
        versions += 1;
        return versions;
      },
      written: ({ instanceId }) => void writers.push(instanceId),
      broken: (promise) => void broken.push(promise),
      wasWrittenBack: () => writeBack,
    });
  });
  const content = () => textsOf(disk.image.files);
  const mount = () => {
    if (disk.image.fileSystem === null) disk.format('fs');
    return Mount.open(disk, writer);
  };

  it('keeps what was flushed, and loses the page cache with the machine', () => {
    const mounted = mount();
    mounted.write('a', '1');
    mounted.flush();
    mounted.write('a', '2');
    mounted.write('b', '1');
    expect(mounted.files()).toEqual({ a: '2', b: '1' });
    expect(content()).toEqual({ a: '1' });
    mounted.lose();
    expect(content()).toEqual({ a: '1' });
    expect(writers).toEqual(['i-1']);
    expect(() => mounted.write('c', '1')).toThrow(/EIO/);
  });

  it('may have written back what nobody flushed', () => {
    const mounted = mount();
    mounted.write('a', '1');
    writeBack = true;
    expect(textsOf(disk.capture().files)).toEqual({ a: '1' });
  });

  it('holds writers while it is frozen, and no longer', () => {
    const mounted = mount();
    mounted.write('a', '1');
    mounted.freeze();
    writeBack = true;
    mounted.write('a', '2');
    mounted.remove('a');
    mounted.write('b', '3');
    expect(textsOf(disk.capture().files)).toEqual({ a: '1' });
    mounted.thaw();
    expect(mounted.files()).toEqual({ b: '3' });
  });

  it('an image does not change with its disk', () => {
    const mounted = mount();
    mounted.write('a', '1');
    mounted.flush();
    const image = disk.capture();
    mounted.write('a', '2');
    mounted.unmount();
    expect(textsOf(image.files)).toEqual({ a: '1' });
    expect(content()).toEqual({ a: '2' });
  });

  it('is mounted once, with a file system that can be read, and notes who formats files away', () => {
    expect(() => Mount.open(disk, writer)).toThrow(/no file system/);
    const mounted = mount();
    expect(() => mount()).toThrow(/EBUSY/);
    mounted.write('a', '1');
    mounted.unmount();
    expect(broken).toEqual([]);
    disk.image = { ...disk.image, damaged: true };
    expect(() => mount()).toThrow(/EUCLEAN/);
    disk.format('again');
    expect(broken).toEqual([expect.stringMatching(/^W: .*formatted/)]);
  });
});
