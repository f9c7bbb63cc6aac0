import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createTelemetry } from '../../../launcher/telemetry/index.ts';
import { Metrics } from '../../../launcher/telemetry/metrics.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'devctl-log-'));
});
afterEach(() => rmSync(dir, { recursive: true }));

const clock = { now: () => 0 };
const read = async (stream: Readable) => {
  let text = '';
  for await (const chunk of stream) text += chunk;
  return text;
};
const numbers = (text: string) => [...text.matchAll(/"n":(\d+)/g)].map(([, n]) => Number(n));

describe('the log', () => {
  it('is a ring of private files, and its newest lines come back in order', async () => {
    const telemetry = createTelemetry({ clock, dir: join(dir, 'log'), bounds: { fileBytes: 500, files: 3 } });
    for (let n = 0; n < 100; n += 1) telemetry.info({ op: 'test', n });
    const files = readdirSync(join(dir, 'log')).sort();
    expect(files).toEqual(['launcher.jsonl', 'launcher.jsonl.1', 'launcher.jsonl.2']);
    for (const file of files) {
      const { size, mode } = statSync(join(dir, 'log', file));
      expect(size).toBeLessThanOrEqual(500);
      expect(mode & 0o777).toBe(0o600);
    }
    expect(numbers(await read(await telemetry.logs({ tailLines: 5, follow: false })))).toEqual([95, 96, 97, 98, 99]);
    expect(await read(await telemetry.logs({ tailLines: 0, follow: false }))).toBe('');
    const all = numbers(await read(await telemetry.logs({ tailLines: 1000, follow: false })));
    expect(all).toEqual(Array.from({ length: all.length }, (_, index) => 100 - all.length + index));
    telemetry.close();
    telemetry.info({ op: 'after the end' });
    const again = createTelemetry({ clock, dir: join(dir, 'log') });
    again.warn({ op: 'test', n: 100 });
    expect(numbers(readFileSync(join(dir, 'log', 'launcher.jsonl'), 'utf8')).at(-1)).toBe(100);
    again.close();
  });

  it('is followed until the reader leaves', async () => {
    const telemetry = createTelemetry({ clock, dir });
    telemetry.info({ op: 'test', n: 1 });
    const stream = await telemetry.logs({ tailLines: 10, follow: true });
    let text = '';
    for await (const chunk of stream) {
      text += chunk;
      const last = numbers(text).at(-1) ?? 0;
      if (last >= 4) break;
      telemetry.error({ op: 'test', n: last + 1 });
    }
    expect(numbers(text)).toEqual([1, 2, 3, 4]);
    telemetry.info({ op: 'test', n: 5 });
    telemetry.close();
  });

  it('tells a reader who is too slow that lines are missing', async () => {
    const telemetry = createTelemetry({ clock, dir });
    const stream = await telemetry.logs({ tailLines: 0, follow: true });
    const big = { op: 'test', list: Array(50).fill('x'.repeat(1000)) };
    for (let n = 0; n < 40; n += 1) telemetry.info({ ...big, n });
    let text = '';
    for await (const chunk of stream) {
      text += chunk;
      if (text.includes('log.missed')) break;
      if (stream.readableLength === 0) telemetry.info({ op: 'test', n: 99 });
    }
    expect(text).toMatch(/\{"op":"log\.missed","lines":\d+\}/);
    telemetry.close();
  });

  it('without a folder is nowhere but where it is passed on', async () => {
    const lines: string[] = [];
    const telemetry = createTelemetry({ clock, onLine: (line) => void lines.push(line) });
    telemetry.info({ op: 'test' });
    expect(lines).toHaveLength(1);
    expect(await read(await telemetry.logs({ tailLines: 5, follow: false }))).toBe('');
    telemetry.close();
  });
});

describe('metrics', () => {
  it('are in the text format, sorted and escaped', () => {
    const telemetry = createTelemetry({ clock });
    telemetry.count('devctl_http_requests_total', { status: '200', operation: 'why' });
    telemetry.count('devctl_http_requests_total', { operation: 'why', status: '200' }, 2);
    telemetry.gauge('devctl_queue_depth', 3);
    telemetry.gauge('devctl_queue_depth', 1);
    telemetry.observe('devctl_phase_seconds', 0.3, { phase: 'a"b\\c\nd' });
    telemetry.observe('devctl_phase_seconds', 9999, { phase: 'a"b\\c\nd' });
    telemetry.warn({ op: 'x' });
    expect(telemetry.metricsText().split('\n')).toEqual(
      expect.arrayContaining([
        '# HELP devctl_http_requests_total Requests by operation and status',
        '# TYPE devctl_http_requests_total counter',
        'devctl_http_requests_total{operation="why",status="200"} 3',
        '# TYPE devctl_queue_depth gauge',
        'devctl_queue_depth 1',
        '# TYPE devctl_phase_seconds histogram',
        'devctl_phase_seconds_bucket{phase="a\\"b\\\\c\\nd",le="0.25"} 0',
        'devctl_phase_seconds_bucket{phase="a\\"b\\\\c\\nd",le="0.5"} 1',
        'devctl_phase_seconds_bucket{phase="a\\"b\\\\c\\nd",le="1800"} 1',
        'devctl_phase_seconds_bucket{phase="a\\"b\\\\c\\nd",le="+Inf"} 2',
        'devctl_phase_seconds_count{phase="a\\"b\\\\c\\nd"} 2',
        'devctl_log_events_total{level="warn"} 1',
        'devctl_telemetry_dropped_total 0',
      ]),
    );
  });

  it('are bounded, and never mix kinds', () => {
    const metrics = new Metrics();
    for (let index = 0; index < 5000; index += 1) metrics.count('flood', { id: String(index) });
    metrics.gauge('flood', 1);
    metrics.count('bad name');
    metrics.observe('seconds', Number.NaN);
    metrics.count('down', {}, -1);
    metrics.count('labels', { 'bad label': 'x', good: 'y' });
    const text = metrics.text();
    expect(text.match(/^flood\{/gm)).toHaveLength(2000);
    expect(text).toContain('devctl_telemetry_dropped_total 3002');
    expect(text).toContain('labels{good="y"} 1');
    expect(text).toContain('down 0');
    expect(text).not.toContain('bad');
    expect(text).not.toContain('seconds');
  });
});
