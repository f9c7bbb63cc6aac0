/** Put in by the build; `0.0.0-dev` when the sources are run as they are. */
export const VERSION: string = process.env['DEVCTL_BUILD_VERSION'] ?? '0.0.0-dev';
