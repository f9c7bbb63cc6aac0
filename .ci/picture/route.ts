// The ways of the edges: along the grid, around what is in the way, with few bends, and each on its own.
import { type Box, STEP } from './layout.ts';

export interface Point {
  x: number;
  y: number;
}

export interface Wire {
  from: Box;
  to: Box;
  /** Wires of the same key may share their way. */
  key: string;
}

/** What a step costs more than its length. */
const COST = { bend: 6, beside: 2, crossing: 10, along: 60 } as const;
const DIRECTIONS = [
  [1, 0],
  [0, 1],
  [-1, 0],
  [0, -1],
] as const;

/** What of the grid is taken: by a wire that goes across (0), or down (1). */
type Taken = Map<number, Map<0 | 1, Set<string>>>;

/** A queue of numbers by what they cost. */
class Queue {
  readonly #items: Array<readonly [cost: number, state: number]> = [];

  push(cost: number, state: number): void {
    const items = this.#items;
    let at = items.push([cost, state]) - 1;
    while (at > 0) {
      const above = (at - 1) >> 1;
      if ((items[above] as readonly [number, number])[0] <= cost) break;
      items[at] = items[above] as readonly [number, number];
      at = above;
    }
    items[at] = [cost, state];
  }

  pop(): readonly [cost: number, state: number] | undefined {
    const items = this.#items;
    const first = items[0];
    const last = items.pop();
    if (last === undefined || items.length === 0) return first;
    let at = 0;
    for (;;) {
      let below = 2 * at + 1;
      if (below >= items.length) break;
      if (below + 1 < items.length && (items[below + 1] as readonly [number, number])[0] < (items[below] as readonly [number, number])[0])
        below += 1;
      if ((items[below] as readonly [number, number])[0] >= last[0]) break;
      items[at] = items[below] as readonly [number, number];
      at = below;
    }
    items[at] = last;
    return first;
  }
}

export class Router {
  readonly #columns: number;
  readonly #rows: number;
  /** 2: nothing goes through; 1: beside that. */
  readonly #walls: Uint8Array;
  readonly #taken: Taken = new Map();

  /** Nothing goes through an obstacle; along a border something goes only if it must. */
  constructor(width: number, height: number, obstacles: readonly Box[], borders: readonly Box[]) {
    this.#columns = Math.floor(width / STEP) + 1;
    this.#rows = Math.floor(height / STEP) + 1;
    this.#walls = new Uint8Array(this.#columns * this.#rows);
    for (const { x, y, width: w, height: h } of borders) {
      for (const side of [y, y + h]) this.#fill({ x, y: side, width: w, height: 0 }, 0, 1);
      for (const side of [x, x + w]) this.#fill({ x: side, y, width: 0, height: h }, 0, 1);
    }
    for (const obstacle of obstacles) this.#fill(obstacle, 1, 1);
    for (const obstacle of obstacles) this.#fill(obstacle, 0, 2);
  }

  #fill({ x, y, width, height }: Box, around: number, value: number): void {
    for (let row = Math.floor(y / STEP) - around; row <= Math.ceil((y + height) / STEP) + around; row += 1)
      for (let column = Math.floor(x / STEP) - around; column <= Math.ceil((x + width) / STEP) + around; column += 1)
        if (row >= 0 && row < this.#rows && column >= 0 && column < this.#columns) this.#walls[row * this.#columns + column] = value;
  }

  /** Points on the sides of a box, but for its corners, each with the direction that leads away from it. */
  #ports({ x, y, width, height }: Box): Array<readonly [cell: number, direction: number]> {
    const [left, top, right, bottom] = [x, y, x + width, y + height].map((pixel) => Math.round(pixel / STEP)) as [
      number,
      number,
      number,
      number,
    ];
    const ports: Array<readonly [number, number]> = [];
    for (let column = left + 2; column <= right - 2; column += 1)
      ports.push([top * this.#columns + column, 3], [bottom * this.#columns + column, 1]);
    for (let row = top + 2; row <= bottom - 2; row += 1) ports.push([row * this.#columns + left, 2], [row * this.#columns + right, 0]);
    return ports;
  }

  #cost(cell: number, direction: number, key: string): number {
    const axis = (direction % 2) as 0 | 1;
    const taken = this.#taken.get(cell);
    const isOthers = (keys: Set<string> | undefined): boolean => keys !== undefined && [...keys].some((other) => other !== key);
    return (
      1 +
      (this.#walls[cell] === 1 ? COST.beside : 0) +
      (isOthers(taken?.get(axis)) ? COST.along : 0) +
      (isOthers(taken?.get(axis === 0 ? 1 : 0)) ? COST.crossing : 0)
    );
  }

  /** The cheapest way (Dijkstra's, over cells and the direction in which they are reached), and keeps it from others. */
  route({ from, to, key }: Wire): Point[] {
    const size = this.#columns * this.#rows * 4;
    const cost = new Float64Array(size).fill(Number.POSITIVE_INFINITY);
    const before = new Int32Array(size).fill(-1);
    const queue = new Queue();
    const ends = new Map(this.#ports(to).map(([cell, direction]) => [cell, (direction + 2) % 4]));
    const relax = (state: number, total: number, previous: number): void => {
      if (total >= (cost[state] as number)) return;
      cost[state] = total;
      before[state] = previous;
      queue.push(total, state);
    };
    for (const [cell, direction] of this.#ports(from)) relax(cell * 4 + direction, this.#cost(cell, direction, key), -1);
    for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
      const [total, state] = next;
      if (total > (cost[state] as number)) continue;
      const cell = state >> 2;
      const direction = state & 3;
      if (ends.get(cell) === direction && before[state] !== -1) return this.#keep(state, before, key);
      for (const turn of before[state] === -1 ? [direction] : [0, 1, 2, 3]) {
        if (turn === (direction + 2) % 4) continue;
        const step = this.#step(cell, turn);
        if (step === null || (this.#walls[step] === 2 && ends.get(step) !== turn)) continue;
        const bend = turn === direction ? 0 : COST.bend + (this.#taken.has(cell) ? COST.along : 0);
        relax(step * 4 + turn, total + bend + this.#cost(step, turn, key), state);
      }
    }
    throw new Error(`there is no way for ${key}`);
  }

  #step(cell: number, direction: number): number | null {
    const [dx, dy] = DIRECTIONS[direction] as readonly [number, number];
    const column = (cell % this.#columns) + dx;
    const row = Math.floor(cell / this.#columns) + dy;
    // The margin of the picture stays free.
    return column < 2 || row < 2 || column >= this.#columns - 2 || row >= this.#rows ? null : row * this.#columns + column;
  }

  #keep(end: number, before: Int32Array, key: string): Point[] {
    const points: Point[] = [];
    for (let state = end; state !== -1; state = before[state] as number) {
      const cell = state >> 2;
      const axis = (state & 1) as 0 | 1;
      const taken = this.#taken.get(cell) ?? new Map<0 | 1, Set<string>>();
      taken.set(axis, (taken.get(axis) ?? new Set()).add(key));
      this.#taken.set(cell, taken);
      points.unshift({ x: (cell % this.#columns) * STEP, y: Math.floor(cell / this.#columns) * STEP });
    }
    return corners(points);
  }
}

/** The points of a way at which it bends, with both its ends. */
const corners = (points: readonly Point[]): Point[] =>
  points.filter((point, index) => {
    const [last, next] = [points[index - 1], points[index + 1]];
    return last === undefined || next === undefined || (last.x === next.x ? point.x !== last.x : point.y !== last.y || last.y !== next.y);
  });
