/** One canonical event per operation; the logger redacts secrets and cuts long values. */
export interface LogFields {
  /** Name of the operation, dotted: `session.create`, `reconcile.step`. */
  op: string;
  outcome?: 'ok' | 'error' | 'refused';
  durationMs?: number;
  requestId?: string;
  owner?: string;
  sessionId?: string;
  workspace?: string;
  code?: string;
  [field: string]: unknown;
}

export interface Telemetry {
  info(fields: LogFields): void;
  warn(fields: LogFields): void;
  error(fields: LogFields): void;
  /** Adds to a counter. Label values must come from small fixed sets. */
  count(metric: string, labels?: Record<string, string>, by?: number): void;
  /** Records a duration in seconds in a histogram. */
  observe(metric: string, seconds: number, labels?: Record<string, string>): void;
  /** Sets a gauge. */
  gauge(metric: string, value: number, labels?: Record<string, string>): void;
}
