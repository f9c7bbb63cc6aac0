import type { Why } from '../../contract/api.ts';
import { EVIDENCE } from '../../contract/evidence.ts';
import { isFinal } from '../../contract/phases.ts';
import { json } from '../output.ts';
import { clientFor, latestSession } from '../refs.ts';
import { clockTime, plainText, span } from '../text.ts';
import type { Run } from '../verb.ts';

const time = (iso: string, now: Date): string => clockTime(new Date(iso), now);

/** The answer in lines: when it stops and by what, then what was seen, then holds and limits. */
export function whyLines(why: Why, now: Date): string[] {
  const head = `${why.phase}${why.silent ? ', but its box is silent,' : ''} since ${time(why.since, now)}`;
  if (isFinal(why.phase) || why.endsAt === null) return [`${head} · ${plainText(why.because)}`];
  const leftMs = Date.parse(why.endsAt) - now.getTime();
  const end = why.parks ? 'will be parked' : 'will stop';
  const lines = [`${head} · ${end} at ${time(why.endsAt, now)} (in ${span(Math.max(0, leftMs))}): ${plainText(why.because)}`];
  const evidence = [...why.evidence].sort((a, b) => Date.parse(b.at) - Date.parse(a.at));
  const columns = Math.max(...evidence.map((item) => item.detail.length), 0);
  for (const item of evidence) {
    const detail = plainText(item.detail || EVIDENCE[item.kind].about).padEnd(Math.min(columns, 48));
    const note = item.counts ? '' : ' (does not count any more)';
    lines.push(`  ${time(item.at, now)}  ${item.kind.padEnd(11)} ${detail}  seen by the ${item.seenBy}${note}`);
  }
  if (evidence.length === 0) lines.push('  no evidence of work yet');
  lines.push(
    `  hold   ${why.holds.length === 0 ? 'none' : why.holds.map((hold) => `${plainText(hold.name)} until ${time(hold.until, now)}`).join(', ')}`,
  );
  if (why.hardEndsAt)
    lines.push(`  hard limit ${time(why.hardEndsAt, now)} (in ${span(Math.max(0, Date.parse(why.hardEndsAt) - now.getTime()))})`);
  if (why.selfReportedLimitAt) lines.push(`  the box's own word counts until ${time(why.selfReportedLimitAt, now)}`);
  return lines;
}

export const run: Run = async (cli, { args }) => {
  const client = await clientFor(cli, args[0]);
  const session = await latestSession(cli, client, args[0]);
  const why = await client.call('why', { params: { id: session.id } });
  cli.print(cli.form === 'json' ? json(why) : `${whyLines(why, new Date()).join('\n')}\n`);
  return undefined;
};
