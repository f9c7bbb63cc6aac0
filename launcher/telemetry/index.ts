import { Readable } from 'node:stream';
import type { Clock } from '../ports/clock.ts';
import type { LogFields, Telemetry } from '../ports/telemetry.ts';
import { metricLine } from './emf.ts';
import { LogFiles, type LogFilesOptions } from './log-files.ts';
import { Metrics } from './metrics.ts';
import { redact } from './redact.ts';

export interface TelemetryOptions {
  clock: Clock;
  /** Folder of the log; left out: it is kept nowhere. */
  dir?: string;
  /** Bounds of the log, as LogFiles has them. */
  bounds?: Omit<LogFilesOptions, 'folder'>;
  /** Also gets each line: `serve` in the foreground writes it to stderr. */
  onLine?: (line: string) => void;
  /** Counters that are told among the lines, too, for CloudWatch: by our name the one there. */
  told?: { namespace: string; names: Readonly<Record<string, string>> };
}

export interface LauncherTelemetry extends Telemetry {
  /** Prometheus text. */
  metricsText(): string;
  /** The log, oldest line first. */
  logs(options: { tailLines: number; follow: boolean }): Promise<Readable>;
  close(): void;
}

type Level = 'info' | 'warn' | 'error';

/** The logger and the metrics of one process. Every value goes through the redaction; nothing here ever throws. */
export function createTelemetry(options: TelemetryOptions): LauncherTelemetry {
  const metrics = new Metrics();
  const files = options.dir === undefined ? null : new LogFiles({ folder: options.dir, ...options.bounds });

  function log(level: Level, fields: LogFields): void {
    const line = formatLine(level, fields, options.clock.now());
    files?.write(line);
    options.onLine?.(line);
    if (level !== 'info') metrics.count('devctl_log_events_total', { level });
  }

  return {
    info: (fields) => log('info', fields),
    warn: (fields) => log('warn', fields),
    error: (fields) => log('error', fields),
    count(metric, labels, by = 1) {
      metrics.count(metric, labels, by);
      const { namespace, names = {} } = options.told ?? { namespace: '' };
      const name = names[metric];
      if (name !== undefined && by > 0) options.onLine?.(metricLine(namespace, name, by, options.clock.now()));
    },
    observe: (metric, seconds, labels) => metrics.observe(metric, seconds, labels),
    gauge: (metric, value, labels) => metrics.gauge(metric, value, labels),
    metricsText: () => metrics.text(),
    logs: async (range) => files?.read(range) ?? Readable.from([]),
    close: () => files?.close(),
  };
}

/** One event as one line of JSON, its fixed fields first. */
export function formatLine(level: Level, fields: LogFields, nowMs: number): string {
  const time = new Date(nowMs).toISOString();
  try {
    const { op, ...rest } = redact(fields) as LogFields;
    return JSON.stringify({ time, level, op, ...rest });
  } catch (error) {
    return JSON.stringify({ time, level, op: 'log.unreadable', detail: error instanceof Error ? error.name : 'error' });
  }
}
