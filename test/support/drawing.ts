import { expect } from 'vitest';

interface Box {
  x: number;
  y: number;
  width: number;
  height: number;
}

const numbers = (text: string): number[] => [...text.matchAll(/-?[\d.]+/g)].map(Number);

/** Cards, groups and the corners of arrows of a picture, as they stand in its text. */
export function drawn(svg: string): { cards: Box[]; groups: Box[]; arrows: Array<Array<[x: number, y: number]>>; texts: string[] } {
  const boxes = (className: string): Box[] =>
    [
      ...svg.matchAll(
        new RegExp(`<rect x="([\\d.]+)" y="([\\d.]+)" width="([\\d.]+)" height="([\\d.]+)" rx="\\d+" class="${className}"/>`, 'g'),
      ),
    ].map(([, x, y, width, height]) => ({ x: Number(x), y: Number(y), width: Number(width), height: Number(height) }));
  const arrows = [...svg.matchAll(/<path d="(M[^"]+)" class="edge \w+"/g)].map(([, path = '']) => {
    const flat = numbers(path);
    // The legend has short ones of its own.
    return path.includes('H')
      ? []
      : Array.from({ length: flat.length / 2 }, (_, index): [number, number] => [flat[2 * index] ?? 0, flat[2 * index + 1] ?? 0]);
  });
  const texts = [...svg.matchAll(/<text [^>]*>([^<]*)<\/text>/g)].map(([, text = '']) => text);
  return { cards: boxes('card'), groups: boxes('group'), arrows: arrows.filter((arrow) => arrow.length > 0), texts };
}

const overlap = (a: Box, b: Box): boolean => a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height;

/** Nothing lies on anything else, and no arrow runs through a card. */
export function expectReadable(svg: string): void {
  const { cards, groups, arrows } = drawn(svg);
  const [, width = 0, height = 0] = /viewBox="0 0 (\d+) (\d+)"/.exec(svg)?.map(Number) ?? [];
  for (const boxes of [cards, groups])
    for (const [index, box] of boxes.entries()) expect(boxes.slice(index + 1).filter((other) => overlap(box, other))).toEqual([]);
  for (const card of cards) expect(groups.some((group) => card.x > group.x && card.x + card.width < group.x + group.width)).toBe(true);
  for (const arrow of arrows)
    for (const [index, [x, y]] of arrow.entries()) {
      expect(x > 0 && y > 0 && x < width && y < height).toBe(true);
      const [beforeX, beforeY] = arrow[index - 1] ?? [x, y];
      const way = { x: Math.min(x, beforeX), y: Math.min(y, beforeY), width: Math.abs(x - beforeX), height: Math.abs(y - beforeY) };
      // A way has no width; one that only touches the side of a card ends or begins there.
      const inside = { x: way.x + 0.5, y: way.y + 0.5, width: Math.max(0, way.width - 1), height: Math.max(0, way.height - 1) };
      expect(
        cards.filter((card) => overlap({ ...card, x: card.x + 1, y: card.y + 1, width: card.width - 2, height: card.height - 2 }, inside)),
      ).toEqual([]);
    }
}
