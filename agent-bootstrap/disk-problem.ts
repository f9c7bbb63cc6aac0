/** Why a box cannot use the disk of its workspace. Nothing was changed on it. */
export class DiskProblem extends Error {
  /**
   * @param code `workspace_quarantined`: what is on the disk is wrong or damaged, whatever machine it is on; `disk_unavailable`: this machine
   * has no use of it now, another one may
   */
  constructor(
    readonly code: 'workspace_quarantined' | 'disk_unavailable',
    message: string,
  ) {
    super(message);
    this.name = 'DiskProblem';
  }
}
