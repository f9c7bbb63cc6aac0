/** Counters, gauges and histograms in memory, in the text format that Prometheus reads. */

type Labels = Readonly<Record<string, string>>;
type Kind = 'counter' | 'gauge' | 'histogram';

/** Seconds: from a fast answer to a slow snapshot. */
const BUCKETS_S = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800];
/** Label values come from small fixed sets; should that ever be broken, the process does not grow without end. */
const SERIES_MAX = 2000;

interface Series {
  labels: Labels;
  value: number;
  /** Of a histogram: how many were at most each bound, and all of them in `value` as a sum. */
  buckets: number[];
  observations: number;
}

interface Metric {
  kind: Kind;
  series: Map<string, Series>;
}

const HELP: Readonly<Record<string, string>> = {
  devctl_http_requests_total: 'Requests by operation and status',
  devctl_http_request_seconds: 'Time until the head of an answer, by operation',
  devctl_http_failures_total: 'Error answers by operation and code',
  devctl_phase_seconds: 'Time that sessions spent in a phase',
  devctl_queue_depth: 'Sessions that wait to be reconciled',
  devctl_compute_failures_total: 'Failed provider calls by operation and kind',
  devctl_reconcile_errors_total: 'Reconciliations that ended in an unexpected error',
  devctl_unreadable_records_total: 'Records that a list left out because nobody can read them',
  devctl_store_unreadable_rows_total: 'Rows of the table that nobody can read, each time that one is met',
  devctl_store_call_seconds: 'Calls of the table by operation and outcome',
  devctl_telemetry_dropped_total: 'Observations dropped because there were too many series, or a wrong name',
};

const NAME = /^[a-zA-Z_][a-zA-Z0-9_]{0,99}$/;
const escapeLabel = (value: string): string => value.replace(/[\\"\n]/g, (char) => (char === '\n' ? '\\n' : `\\${char}`));

function labelText(labels: Labels, extra: Labels = {}): string {
  const parts = Object.entries({ ...labels, ...extra }).map(([name, value]) => `${name}="${escapeLabel(value)}"`);
  return parts.length === 0 ? '' : `{${parts.join(',')}}`;
}

export class Metrics {
  readonly #metrics = new Map<string, Metric>();
  #dropped = 0;

  count(name: string, labels: Labels = {}, by = 1): void {
    const series = this.#series('counter', name, labels);
    if (series !== null && by > 0) series.value += by;
  }

  gauge(name: string, value: number, labels: Labels = {}): void {
    const series = this.#series('gauge', name, labels);
    if (series !== null) series.value = value;
  }

  observe(name: string, seconds: number, labels: Labels = {}): void {
    const series = Number.isFinite(seconds) ? this.#series('histogram', name, labels) : null;
    if (series === null) return;
    series.value += seconds;
    series.observations += 1;
    for (const [index, bound] of BUCKETS_S.entries()) if (seconds <= bound) series.buckets[index] = (series.buckets[index] ?? 0) + 1;
  }

  #metricOf(kind: Kind, name: string): Metric | null {
    const known = this.#metrics.get(name);
    if (known !== undefined) return known;
    if (!NAME.test(name)) return null;
    const metric = { kind, series: new Map() };
    this.#metrics.set(name, metric);
    return metric;
  }

  #series(kind: Kind, name: string, labels: Labels): Series | null {
    const metric = this.#metricOf(kind, name);
    const sorted = Object.fromEntries(
      Object.entries(labels)
        .filter(([label]) => NAME.test(label))
        .sort(([a], [b]) => (a < b ? -1 : 1)),
    );
    const key = JSON.stringify(sorted);
    const known = metric?.series.get(key);
    if (metric === null || metric.kind !== kind || (known === undefined && metric.series.size >= SERIES_MAX)) {
      this.#dropped += 1;
      return null;
    }
    if (known !== undefined) return known;
    const series = { labels: sorted, value: 0, buckets: kind === 'histogram' ? BUCKETS_S.map(() => 0) : [], observations: 0 };
    metric.series.set(key, series);
    return series;
  }

  /** The Prometheus text exposition, version 0.0.4. */
  text(): string {
    const lines: string[] = [];
    for (const [name, metric] of [...this.#metrics].sort(([a], [b]) => (a < b ? -1 : 1))) {
      lines.push(`# HELP ${name} ${HELP[name] ?? name}`, `# TYPE ${name} ${metric.kind}`);
      for (const series of metric.series.values()) lines.push(...linesOf(name, metric.kind, series));
    }
    const dropped = 'devctl_telemetry_dropped_total';
    lines.push(`# HELP ${dropped} ${HELP[dropped]}`, `# TYPE ${dropped} counter`, `${dropped} ${this.#dropped}`);
    return `${lines.join('\n')}\n`;
  }
}

function linesOf(name: string, kind: Kind, series: Series): string[] {
  const { labels, value, buckets, observations } = series;
  if (kind !== 'histogram') return [`${name}${labelText(labels)} ${value}`];
  return [
    ...BUCKETS_S.map((bound, index) => `${name}_bucket${labelText(labels, { le: String(bound) })} ${buckets[index]}`),
    `${name}_bucket${labelText(labels, { le: '+Inf' })} ${observations}`,
    `${name}_sum${labelText(labels)} ${value}`,
    `${name}_count${labelText(labels)} ${observations}`,
  ];
}
