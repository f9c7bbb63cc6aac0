/** Every bound of the command in one place; sizes in bytes, times in milliseconds. */
export const CLI_LIMITS = {
  /** What a folder that goes into a new workspace may have. */
  sourceFiles: 500_000,
  sourceBytes: 20 * 1024 ** 3,
  /** Repositories within repositories. */
  sourceDepth: 16,
  /** Output of git, for the list of files. */
  gitOutputBytes: 512 * 1024 ** 2,
  gitMs: 120_000,
  /** Notes of one kind that are shown one by one. */
  notes: 5,
  /** Files up to this size are read at once instead of as a stream. */
  smallFileBytes: 256 * 1024,
  /** What a copy out of a box may bring. */
  copyFiles: 2_000_000,
  copyBytes: 100 * 1024 ** 3,
  /** Notes on a copy that are shown one by one. */
  copyNotes: 20,
  /** Workspaces of one name that are tried before a person has to name one. */
  nameTries: 100,
  /** Standard input that may be on its way to a command. */
  stdinBufferBytes: 1024 * 1024,
  /** CloudFormation takes 1 MB, which may be laid out in more. */
  templateBytes: 4 * 1024 ** 2,
  bundleLogLines: 5_000,
  bundleSessions: 20,
} as const;
