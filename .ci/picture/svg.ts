// Draws a graph. It brings its own background and colours, for light and for dark surroundings.
import type { EdgeKind, Graph } from './graph.ts';
import { type Box, LINE, layoutOf, type PlacedGroup, type PlacedNode, TITLE } from './layout.ts';
import type { GroupKey } from './parts.ts';
import { type Point, Router } from './route.ts';

/** Colour of each group, on light and on dark. */
const HUES: Readonly<Record<GroupKey, readonly [light: string, dark: string]>> = {
  callers: ['#475569', '#94a3b8'],
  launcher: ['#4f46e5', '#a5b4fc'],
  state: ['#0f766e', '#5eead4'],
  access: ['#7c3aed', '#c4b5fd'],
  boxes: ['#b45309', '#fcd34d'],
  guardrails: ['#be123c', '#fda4af'],
  others: ['#475569', '#94a3b8'],
};

const EDGES: Readonly<Record<EdgeKind, string>> = {
  uses: 'calls, reads, writes or starts',
  may: 'has its rights from',
  fails: 'what failed goes to',
};

const RADIUS = 6;
const LEGEND_HEIGHT = 40;

const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
const text = (x: number, y: number, className: string, content: string): string =>
  `<text x="${x}" y="${y}" class="${className}">${escaped(content)}</text>`;
const rect = ({ x, y, width, height }: Box, className: string, radius: number): string =>
  `<rect x="${x}" y="${y}" width="${width}" height="${height}" rx="${radius}" class="${className}"/>`;

const STYLE = `
svg { --paper: #ffffff; --ink: #0f172a; --soft: #475569; --card: #ffffff; --line: #64748b; --may: #7c3aed; --fails: #be123c; }
${Object.entries(HUES)
  .map(([key, [light]]) => `.${key} { --hue: ${light}; }`)
  .join('\n')}
@media (prefers-color-scheme: dark) {
svg { --paper: #0d1117; --ink: #f1f5f9; --soft: #a8b3c4; --card: #161b22; --line: #8b98a9; --may: #c4b5fd; --fails: #fda4af; }
${Object.entries(HUES)
  .map(([key, [, dark]]) => `.${key} { --hue: ${dark}; }`)
  .join('\n')}
}
text { font-family: system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; fill: var(--ink); }
.paper { fill: var(--paper); }
.group { fill: var(--hue); fill-opacity: 0.07; stroke: var(--hue); stroke-opacity: 0.45; }
.head { font-size: 12px; font-weight: 700; letter-spacing: 0.06em; fill: var(--hue); }
.card { fill: var(--card); stroke: var(--hue); stroke-opacity: 0.8; }
.title { font-size: ${TITLE.size}px; font-weight: 600; }
.line { font-size: ${LINE.size}px; fill: var(--soft); }
.edge { fill: none; stroke-width: 1.5; stroke-linejoin: round; }
.uses { stroke: var(--line); }
.may { stroke: var(--may); stroke-dasharray: 5 3; }
.fails { stroke: var(--fails); stroke-dasharray: 2 3; }
.tip-uses { fill: var(--line); } .tip-may { fill: var(--may); } .tip-fails { fill: var(--fails); }`;

function card({ node, title, lines, ...box }: PlacedNode): string {
  const height = title.length * TITLE.line + lines.length * LINE.line;
  let y = box.y + (box.height - height) / 2 + TITLE.size - 1;
  const parts = [rect(box, 'card', 6)];
  for (const line of title) {
    parts.push(text(box.x + 10, y, 'title', line));
    y += TITLE.line;
  }
  for (const line of lines) {
    parts.push(text(box.x + 10, y - 1, 'line', line));
    y += LINE.line;
  }
  return `<g class="${node.group}">${parts.join('')}</g>`;
}

const frame = (group: PlacedGroup): string =>
  `<g class="${group.key}">${rect(group, 'group', 10)}${text(group.x + 16, group.y + 24, 'head', group.title)}</g>`;

/** A way with round corners. */
function path(points: readonly Point[]): string {
  const [first, ...rest] = points as [Point, ...Point[]];
  let d = `M${first.x} ${first.y}`;
  rest.forEach((point, index) => {
    const next = rest[index + 1];
    if (next === undefined) {
      d += `L${point.x} ${point.y}`;
      return;
    }
    const before = towards(point, index === 0 ? first : (rest[index - 1] as Point));
    const after = towards(point, next);
    d += `L${before.x} ${before.y}Q${point.x} ${point.y} ${after.x} ${after.y}`;
  });
  return d;
}

function towards(from: Point, to: Point): Point {
  const length = Math.abs(to.x - from.x) + Math.abs(to.y - from.y);
  const share = Math.min(RADIUS, length / 2) / length;
  return { x: from.x + (to.x - from.x) * share, y: from.y + (to.y - from.y) * share };
}

const tip = (kind: EdgeKind): string =>
  `<marker id="${kind}" viewBox="0 0 8 8" refX="7.5" refY="4" markerWidth="8" markerHeight="8" markerUnits="userSpaceOnUse" orient="auto"><path d="M0 0L8 4L0 8z" class="tip-${kind}"/></marker>`;

function legend(width: number, y: number): string {
  const kinds = Object.entries(EDGES) as Array<[EdgeKind, string]>;
  const each = Math.min(260, (width - 96) / kinds.length);
  return kinds
    .map(([kind, words], index) => {
      const x = 48 + index * each;
      return `<path d="M${x} ${y}H${x + 36}" class="edge ${kind}" marker-end="url(#${kind})"/>${text(x + 46, y + 4, 'line', words)}`;
    })
    .join('');
}

/** The graph as a picture; `about` is what those hear who do not see it. */
export function svgOf(graph: Graph, about: string): string {
  const { width, height, groups, nodes } = layoutOf(graph);
  const heads = groups.map(({ x, y, title }): Box => ({ x: x + 8, y: y + 8, width: 16 + title.length * 9, height: 16 }));
  const router = new Router(width, height, [...nodes, ...heads], groups);
  const boxOf = (id: string): Box => {
    const found = id.startsWith('group:') ? groups.find(({ key }) => `group:${key}` === id) : nodes.find(({ node }) => node.id === id);
    if (found === undefined) throw new Error(`there is no node ${id}`);
    return found;
  };
  const length = (from: Box, to: Box): number =>
    Math.abs(from.x + from.width / 2 - to.x - to.width / 2) + Math.abs(from.y + from.height / 2 - to.y - to.height / 2);
  // Short ways first: long ones have more choice.
  const edges = graph.edges
    .map((edge) => ({ ...edge, a: boxOf(edge.from), b: boxOf(edge.to) }))
    .sort((one, other) => length(one.a, one.b) - length(other.a, other.b));
  const ways = edges.map(
    ({ a, b, to, kind }) =>
      `<path d="${path(router.route({ from: a, to: b, key: `${kind} ${to}` }))}" class="edge ${kind}" marker-end="url(#${kind})"/>`,
  );
  const all = height + LEGEND_HEIGHT;
  return `${[
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${all}" width="${width}" height="${all}" role="img" aria-label="${escaped(about)}">`,
    `<style>${STYLE}</style>`,
    `<defs>${(Object.keys(EDGES) as EdgeKind[]).map(tip).join('')}</defs>`,
    rect({ x: 0, y: 0, width, height: all }, 'paper', 8),
    ...groups.map(frame),
    ...ways,
    ...nodes.map(card),
    legend(width, height + 10),
    '</svg>',
  ].join('\n')}\n`;
}
