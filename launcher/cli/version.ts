/** Filled in by the build. */
export const VERSION: string = process.env['DEVCTL_BUILD_VERSION'] ?? '0.0.0-source';
