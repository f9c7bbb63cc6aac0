import { heartbeatsOf, PRICED, UNPRICED, type Usage } from './plan-resources.ts';
import { type Template, TemplateError } from './plan-template.ts';
import { RATES, type Rate, type RateKey, STANDING_PRICES_AS_OF } from './prices-standing.ts';

/** One thing that is paid for, for a month, in micro-dollars. */
export interface StandingLine {
  rate: RateKey;
  what: string;
  units: number;
  unit: string;
  /** Price of `per` units. */
  priceMicroUsd: number;
  per: number;
  /** Of the units, those that every account has free. */
  freeUnits: number;
  microUsd: number;
  /** The same in an account whose free units are used up by something else. */
  withoutFreeMicroUsd: number;
  /** Names in the template. */
  resources: string[];
  assumed: string[];
  source: string;
}

/** What the resources of a template cost a month. */
export interface Standing {
  lines: StandingLine[];
  microUsd: number;
  withoutFreeMicroUsd: number;
  /** Types that cost nothing while nobody works. */
  unpriced: Array<{ type: string; count: number; why: string }>;
}

/** Three figures that say something: `43,800 calls`, `1 secret`, `0.066 GB`. */
export function quantityOf({ units, unit }: Pick<StandingLine, 'units' | 'unit'>): string {
  const figure = units.toLocaleString('en-US', { maximumSignificantDigits: units >= 1000 ? 7 : 3 });
  return `${figure} ${units === 1 ? unit.replace(/(?<=ss)es\b|s\b/, '') : unit}`;
}

type Found = Usage & { resource?: string };

const OWN_NAMESPACE = /^(?!AWS\/).+/;
/** As deep as CloudFormation's own properties of metrics are, and more. */
const DEPTH = 12;
/** Everything inside a value that is an object. */
function* objectsIn(value: unknown, depth = DEPTH): Generator<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || depth === 0) return;
  yield value as Record<string, unknown>;
  for (const part of Object.values(value)) yield* objectsIn(part, depth - 1);
}

/** Metrics that are not AWS's own, as far as alarms and metric filters name them: each is paid for while something writes it. */
function metricsOf({ resources }: Template): Found[] {
  const found = new Map<string, string>();
  for (const { id, type, properties } of resources) {
    if (type !== 'AWS::CloudWatch::Alarm' && type !== 'AWS::Logs::MetricFilter') continue;
    for (const { Namespace, MetricNamespace = Namespace, MetricName, Dimensions } of objectsIn(properties))
      if (typeof MetricNamespace === 'string' && OWN_NAMESPACE.test(MetricNamespace))
        found.set(JSON.stringify([MetricNamespace, MetricName, Dimensions]), id);
  }
  return [...found.values()].map((resource) => ({ rate: 'metric', units: 1, resource }));
}

/** One line of what was found of a rate. `left` is what pools have free still. */
function lineOf(rate: RateKey, found: readonly Found[], left: Map<string, number>): StandingLine {
  const { what, unit, microUsd, per, free, pool = rate, page }: Rate = RATES[rate];
  const units = found.reduce((sum, usage) => sum + usage.units, 0);
  const available = left.get(pool) ?? free;
  const freeUnits = Math.min(units, available);
  left.set(pool, available - freeUnits);
  return {
    rate,
    what,
    units,
    unit,
    priceMicroUsd: microUsd,
    per,
    freeUnits,
    microUsd: Math.round(((units - freeUnits) * microUsd) / per),
    withoutFreeMicroUsd: Math.round((units * microUsd) / per),
    resources: [...new Set(found.flatMap(({ resource }) => resource ?? []))],
    assumed: [...new Set(found.flatMap(({ assumed }) => assumed ?? []))],
    source: `${page}, ${STANDING_PRICES_AS_OF}`,
  };
}

const isUnpriced = (type: string): boolean => Object.hasOwn(UNPRICED, type) || type.startsWith('Custom::');

/**
 * What a deployment costs a month, with boxes that run so many hours in all: their machines and disks are not in it. Throws
 * TemplateError for a type of resource whose price is not known: nothing is taken to be free.
 */
export function planStanding(template: Template, boxHours = 0): Standing {
  const unknown = template.resources.filter(({ type }) => !Object.hasOwn(PRICED, type) && !isUnpriced(type));
  if (unknown.length > 0)
    throw new TemplateError(
      `what these cost is not known: ${[...new Set(unknown.map(({ type }) => type))].slice(0, 5).join(', ')} (${unknown[0]?.id})`,
      'their price belongs into the table of prices (launcher/contract/plan-resources.ts)',
    );
  const found: Found[] = [
    ...template.resources.flatMap((resource) =>
      (PRICED[resource.type]?.(template, resource) ?? []).map((usage) => ({ ...usage, resource: resource.id })),
    ),
    ...metricsOf(template),
    ...heartbeatsOf(template, boxHours),
  ];
  const left = new Map<string, number>();
  const lines = (Object.keys(RATES) as RateKey[])
    .map((rate) => [rate, found.filter((usage) => usage.rate === rate && usage.units > 0)] as const)
    .filter(([, usages]) => usages.length > 0)
    .map(([rate, usages]) => lineOf(rate, usages, left));
  const types = [...new Set(template.resources.map(({ type }) => type).filter(isUnpriced))].sort();
  return {
    lines,
    microUsd: lines.reduce((sum, line) => sum + line.microUsd, 0),
    withoutFreeMicroUsd: lines.reduce((sum, line) => sum + line.withoutFreeMicroUsd, 0),
    unpriced: types.map((type) => ({
      type,
      count: template.resources.filter((resource) => resource.type === type).length,
      why: UNPRICED[type] ?? 'has no price of its own',
    })),
  };
}
