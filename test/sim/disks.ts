/** A file with its content. `version` tells one writing of it from every other, as blocks on a disk would. */
export interface DiskFile {
  text: string;
  /** What it takes up; more than its text when the writer says so. */
  bytes: number;
  version: number;
}
export type Files = Readonly<Record<string, DiskFile>>;

/** What a disk holds at one moment: what a snapshot takes, and a restored volume starts with. */
export interface DiskImage {
  /** UUID of its file system; null on a blank disk. */
  fileSystem: string | null;
  files: Files;
  /** Its file system cannot be read any more. */
  damaged: boolean;
}

export const BLANK: DiskImage = { fileSystem: null, files: {}, damaged: false };

export const textsOf = (files: Files): Record<string, string> =>
  Object.fromEntries(Object.entries(files).map(([path, file]) => [path, file.text]));

/** Bytes of what is in `files` and was not in `before`, to be uploaded by a snapshot. */
export const changedBytes = (files: Files, before: Files): number =>
  Object.entries(files).reduce((sum, [path, file]) => (before[path]?.version === file.version ? sum : sum + file.bytes), 0);

export const bytesOf = (files: Files): number => Object.values(files).reduce((sum, file) => sum + file.bytes, 0);

/** Who writes: the machine that has the disk mounted. */
export interface Writer {
  instanceId: string;
}

export interface DiskRules {
  nextVersion(): number;
  /** Bytes reach the disk. */
  written(writer: Writer): void;
  broken(promise: string): void;
  /** Whether a file that was not flushed is on the disk all the same. */
  wasWrittenBack(): boolean;
}

/** The bytes of a volume, without the page cache: what a power cut leaves. */
export class Disk {
  image: DiskImage;
  mount: Mount | null = null;
  readonly rules: DiskRules;

  constructor(image: DiskImage, rules: DiskRules) {
    this.image = image;
    this.rules = rules;
  }

  /** Makes a file system, and loses every file. */
  format(fileSystem: string): void {
    if (this.image.fileSystem !== null && Object.keys(this.image.files).length > 0)
      this.rules.broken(`W: a disk with ${Object.keys(this.image.files).length} files was formatted`);
    this.image = { fileSystem, files: {}, damaged: false };
  }

  /** What a snapshot takes now. Dirty pages may or may not have been written back by the kernel. */
  capture(): DiskImage {
    this.mount?.writeBackSome();
    return this.image;
  }
}

/** A file system as a running machine sees it: the disk and the page cache above it. */
export class Mount {
  #dirty = new Map<string, DiskFile | null>();
  #held: Array<() => void> | null = null;
  readonly #disk: Disk;
  readonly #writer: Writer;

  private constructor(disk: Disk, writer: Writer) {
    this.#disk = disk;
    this.#writer = writer;
  }

  /** @throws when there is no file system, it is damaged, or it is mounted */
  static open(disk: Disk, writer: Writer): Mount {
    if (disk.mount !== null) throw new Error('EBUSY: it is mounted already');
    if (disk.image.fileSystem === null) throw new Error('EINVAL: no file system on it');
    if (disk.image.damaged) throw new Error('EUCLEAN: structure needs cleaning');
    const mount = new Mount(disk, writer);
    disk.mount = mount;
    return mount;
  }

  get isFrozen(): boolean {
    return this.#held !== null;
  }

  /** As processes of the machine see it. */
  files(): Record<string, string> {
    const texts = textsOf(this.#disk.image.files);
    for (const [path, file] of this.#dirty) {
      if (file === null) delete texts[path];
      else texts[path] = file.text;
    }
    return texts;
  }

  read(path: string): string | null {
    return this.files()[path] ?? null;
  }

  /** Into the page cache. While the file system is frozen the writer waits, and writes after the thaw. */
  write(path: string, text: string, bytes = text.length): void {
    const version = this.#disk.rules.nextVersion();
    this.#change(() => this.#dirty.set(path, { text, bytes, version }));
  }

  remove(path: string): void {
    this.#change(() => this.#dirty.set(path, null));
  }

  /** fsync of everything. */
  flush(): void {
    this.#assertMounted();
    this.#store([...this.#dirty.keys()]);
  }

  /** As FIFREEZE: flushed, and nothing is written until the thaw. */
  freeze(): void {
    this.flush();
    this.#held ??= [];
  }

  thaw(): void {
    const held = this.#held ?? [];
    this.#held = null;
    for (const change of held) change();
  }

  /** Flushed, and closed. */
  unmount(): void {
    this.thaw();
    this.flush();
    this.#disk.mount = null;
  }

  /** The machine is gone, or the disk was taken from it: the page cache is lost. */
  lose(): void {
    this.writeBackSome();
    this.#dirty.clear();
    this.#held = null;
    if (this.#disk.mount === this) this.#disk.mount = null;
  }

  writeBackSome(): void {
    if (this.#held === null) this.#store([...this.#dirty.keys()].filter(() => this.#disk.rules.wasWrittenBack()));
  }

  #change(change: () => void): void {
    this.#assertMounted();
    if (this.#held === null) change();
    else this.#held.push(change);
  }

  #store(paths: string[]): void {
    if (paths.length === 0) return;
    const files: Record<string, DiskFile> = { ...this.#disk.image.files };
    for (const path of paths) {
      const file = this.#dirty.get(path);
      if (file) files[path] = file;
      else delete files[path];
      this.#dirty.delete(path);
    }
    this.#disk.image = { ...this.#disk.image, files };
    this.#disk.rules.written(this.#writer);
  }

  #assertMounted(): void {
    if (this.#disk.mount !== this) throw new Error('EIO: the disk is gone');
  }
}
