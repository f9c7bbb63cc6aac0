/**
 * A count as CloudWatch reads it out of a log line, without dimensions.
 * Source: CloudWatch User Guide, "Specification: Embedded metric format".
 */
export const metricLine = (namespace: string, name: string, count: number, nowMs: number): string =>
  JSON.stringify({
    _aws: {
      Timestamp: nowMs,
      CloudWatchMetrics: [{ Namespace: namespace, Dimensions: [[]], Metrics: [{ Name: name, Unit: 'Count' }] }],
    },
    [name]: count,
  });
