/** Deeper values than this are refused: no body of ours has a third of it. */
const DEPTH_MAX = 32;

/**
 * What JSON.parse silently lets through and we refuse: keys given twice (two readers would see two bodies), `__proto__`, and
 * nesting without end. Looks at each character once; the text is known to be valid JSON.
 * @returns what is wrong in words, or null
 */
export function findJsonAbuse(text: string): string | null {
  const open: Array<Set<string> | null> = [];
  for (let i = 0; i < text.length; i += 1) {
    const char = text[i];
    if (char === '{' || char === '[') {
      if (open.length >= DEPTH_MAX) return `is nested deeper than ${DEPTH_MAX}`;
      open.push(char === '{' ? new Set() : null);
    } else if (char === '}' || char === ']') {
      open.pop();
    } else if (char === '"') {
      const end = endOfString(text, i);
      const keys = open.at(-1);
      if (keys && isKey(text, end)) {
        const key = JSON.parse(text.slice(i, end)) as string;
        if (key === '__proto__') return 'has a field __proto__';
        if (keys.has(key)) return `has the field ${JSON.stringify(key.slice(0, 60))} twice`;
        keys.add(key);
      }
      i = end - 1;
    }
  }
  return null;
}

/** Index after the closing quote of the string that begins at `start`. */
function endOfString(text: string, start: number): number {
  let i = start + 1;
  while (i < text.length && text[i] !== '"') i += text[i] === '\\' ? 2 : 1;
  return i + 1;
}

function isKey(text: string, from: number): boolean {
  let i = from;
  while (text[i] === ' ' || text[i] === '\n' || text[i] === '\r' || text[i] === '\t') i += 1;
  return text[i] === ':';
}
