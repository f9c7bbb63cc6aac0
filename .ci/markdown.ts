// The parts of a generated page.
const cell = (value: unknown): string => String(value).replaceAll('|', '\\|').replaceAll('\n', ' ');
const row = (cells: readonly unknown[]): string => `| ${cells.map(cell).join(' | ')} |`;

export const table = (header: readonly string[], rows: ReadonlyArray<readonly unknown[]>): string =>
  [row(header), row(header.map(() => '---')), ...rows.map(row)].join('\n');

const NOTE = '<!-- Made by `npm run generate`: change the code that it comes from. -->';
export const page = (title: string, ...parts: string[]): string => `${[NOTE, `# ${title}`, ...parts].join('\n\n')}\n`;
