/** Path of the disk that machines start from. */
export function bootImage(): string;
/** Path of the kernel. */
export function kernel(): string;
/** The partition with the root file system, as a kernel names it. */
export const ROOT: string;
