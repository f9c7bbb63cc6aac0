// Where the nodes of a graph are: groups in rows, as a deployment is told, and what is in each below one another.
import type { Graph, GraphNode } from './graph.ts';
import { GROUPS, type GroupKey } from './parts.ts';

/** Everything is on a grid of so many pixels, on which the edges run. */
export const STEP = 8;

export interface Box {
  x: number;
  y: number;
  width: number;
  height: number;
}

export interface PlacedNode extends Box {
  node: GraphNode;
  title: string[];
  lines: string[];
}

export interface PlacedGroup extends Box {
  key: GroupKey;
  title: string;
}

export interface Layout {
  width: number;
  height: number;
  groups: PlacedGroup[];
  nodes: PlacedNode[];
}

const ROWS: ReadonlyArray<ReadonlyArray<readonly [group: GroupKey, columns: number]>> = [
  [
    ['callers', 1],
    ['launcher', 1],
    ['state', 1],
  ],
  [
    ['boxes', 1],
    ['guardrails', 2],
  ],
  [['access', 4]],
  [['others', 4]],
];

const MARGIN = 6 * STEP;
const NODE_WIDTH = 28 * STEP;
const PADDING = 3 * STEP;
/** Room for the title of a group. */
const HEAD = 5 * STEP;
const NODE_GAP = 4 * STEP;
const GROUP_GAP = 9 * STEP;
const ROW_GAP = 8 * STEP;

export const TITLE = { size: 14, line: 18 } as const;
export const LINE = { size: 12, line: 16 } as const;
const NODE_PADDING = 10;
/** A letter is taken for so much of its size: rather too wide, since the fonts of readers differ. */
const TITLE_LETTER = 0.62;
const LINE_LETTER = 0.56;

/** Words in lines of at most so many letters; what is longer than a line is broken after a mark, or where it must be. */
export function wrap(text: string, letters: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    let rest = word;
    if (line !== '' && line.length + 1 + rest.length > letters) {
      lines.push(line);
      line = '';
    }
    while (rest.length > letters) {
      const head = rest.slice(0, letters);
      const at = Math.max(head.lastIndexOf('-'), head.lastIndexOf('/'), head.lastIndexOf('.')) + 1;
      lines.push(rest.slice(0, at > letters / 3 ? at : letters));
      rest = rest.slice(at > letters / 3 ? at : letters);
    }
    line = line === '' ? rest : `${line} ${rest}`;
  }
  return line === '' ? lines : [...lines, line];
}

const lettersOf = (size: number, letter: number): number => Math.floor((NODE_WIDTH - 2 * NODE_PADDING) / (size * letter));
const up = (pixels: number): number => Math.ceil(pixels / (2 * STEP)) * 2 * STEP;

function sized(node: GraphNode): PlacedNode {
  const title = wrap(node.title, lettersOf(TITLE.size, TITLE_LETTER));
  const lines = node.lines.flatMap((line) => wrap(line, lettersOf(LINE.size, LINE_LETTER)));
  const height = up(2 * NODE_PADDING + title.length * TITLE.line + lines.length * LINE.line);
  return { node, title, lines, x: 0, y: 0, width: NODE_WIDTH, height };
}

/** A group with its nodes in columns, each node in the column that is shortest so far, at 0, 0. */
function grouped(graph: Graph, key: GroupKey, columns: number): { group: PlacedGroup; nodes: PlacedNode[] } | null {
  const nodes = graph.nodes.filter(({ group }) => group === key).map(sized);
  if (nodes.length === 0) return null;
  const used = Math.min(columns, nodes.length);
  const heights = Array.from({ length: used }, () => HEAD);
  for (const node of nodes) {
    const column = heights.indexOf(Math.min(...heights));
    node.x = PADDING + column * (NODE_WIDTH + NODE_GAP);
    node.y = heights[column] as number;
    heights[column] = node.y + node.height + NODE_GAP;
  }
  const width = 2 * PADDING + used * NODE_WIDTH + (used - 1) * NODE_GAP;
  const height = Math.max(...heights) - NODE_GAP + PADDING;
  return { group: { key, title: GROUPS[key], x: 0, y: 0, width, height }, nodes };
}

export function layoutOf(graph: Graph): Layout {
  const rows = ROWS.map((row) => row.map(([key, columns]) => grouped(graph, key, columns)).filter((found) => found !== null)).filter(
    (row) => row.length > 0,
  );
  const widths = rows.map((row) => row.reduce((sum, { group }) => sum + group.width, 0) + (row.length - 1) * GROUP_GAP);
  const width = Math.max(...widths);
  const layout: Layout = { width: width + 2 * MARGIN, height: 0, groups: [], nodes: [] };
  let y = MARGIN;
  rows.forEach((row, index) => {
    // Rows are as wide as the widest: what a row has less goes between its groups.
    const gap = row.length === 1 ? 0 : GROUP_GAP + Math.floor((width - (widths[index] as number)) / (row.length - 1) / STEP) * STEP;
    let x = MARGIN;
    for (const { group, nodes } of row) {
      layout.groups.push({ ...group, x, y });
      layout.nodes.push(...nodes.map((node) => ({ ...node, x: x + node.x, y: y + node.y })));
      x += group.width + gap;
    }
    y += Math.max(...row.map(({ group }) => group.height)) + ROW_GAP;
  });
  layout.height = y - ROW_GAP + MARGIN;
  return layout;
}
