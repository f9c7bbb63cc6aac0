import type { Session } from '../client/client.ts';
import { formatBytes, formatUsd } from '../contract/units.ts';
import { plural, span } from './text.ts';

/** What was stopped when the box was made quiet, in a few words. */
export function stoppedText(session: Session): string {
  const report = session.receipt?.report;
  if (!report) return '';
  const parts = [];
  if (report.stoppedProcesses.length > 0) parts.push(`${plural(report.stoppedProcesses.length, 'process', 'processes')} stopped`);
  if (report.killedProcesses.length > 0)
    parts.push(`${report.killedProcesses.length} killed: ${report.killedProcesses.slice(0, 3).join(', ')}`);
  return parts.join(', ');
}

export function snapshotText(session: Session): string {
  const { receipt } = session;
  if (!receipt?.snapshot) return '';
  const parts = [`${receipt.snapshot}${receipt.parent ? ` ← ${receipt.parent}` : ''}`];
  if (receipt.newBytes !== null) parts.push(`${formatBytes(receipt.newBytes)} new`);
  if (receipt.snapshotBytes !== null) parts.push(`${formatBytes(receipt.snapshotBytes)} in all`);
  return parts.join(' · ');
}

/** What is nowhere but in this workspace, one line for each repository that has any. */
function notPushed(session: Session): string[] {
  const lines: string[] = [];
  for (const repository of session.receipt?.report?.repositories ?? []) {
    const parts = [];
    if (repository.unpushedCommits > 0)
      parts.push(`${plural(repository.unpushedCommits, 'commit')}${repository.branch === null ? '' : ` on ${repository.branch}`}`);
    if (repository.dirtyFiles > 0) parts.push(`${plural(repository.dirtyFiles, 'file')} changed`);
    if (parts.length === 0) continue;
    const where = repository.path === 'src' ? '' : ` in ${repository.path}`;
    lines.push(`not pushed${where}: ${parts.join(' · ')}${repository.hasRemote ? '' : ' (it has no remote)'}`);
  }
  return lines;
}

/** What a session cost so far: `$0.06`, `about $0.06`. */
export const costText = ({ usd, about }: NonNullable<Session['cost']>): string => `${about ? 'about ' : ''}${formatUsd(usd)}`;

/** How a disk was left that could not be unmounted. */
const NOT_LET_GO: Readonly<Record<string, string>> = {
  frozen: '  something had not let go of the disk: it was frozen, with all that was written',
  open: '  something had not let go of the disk: it was flushed, and may have been written to since',
};

/** The receipt of a session that is over. */
export function receiptLines(session: Session): string[] {
  const { receipt } = session;
  if (!receipt?.snapshot)
    return [`${session.workspace} is ${session.phase}${session.failure ? `: ${session.failure.detail}` : '; there was nothing to save'}`];
  const all = receipt.clean ? 'everything on disk is in it' : 'taken as after a power cut: what was not yet on disk is not in it';
  const endedAt = Date.parse(session.endedAt ?? new Date().toISOString());
  const lines = [`receipt ${session.workspace}@${receipt.snapshot}  ${all}`, ...notPushed(session).map((line) => `  ${line}`)];
  if (receipt.report?.truncated) lines.push('  there is more: the look at the repositories was cut short');
  const notLetGo = NOT_LET_GO[receipt.report?.disk ?? ''];
  if (notLetGo !== undefined) lines.push(notLetGo);
  const cost = session.cost === null ? '' : ` · ${costText(session.cost)}`;
  lines.push(`  this session: ${span(endedAt - Date.parse(session.createdAt))}${cost}`);
  return lines;
}
