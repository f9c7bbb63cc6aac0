import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';

const ROOT = new URL('../..', import.meta.url).pathname;
const DOCS = resolve(ROOT, 'docs');
const DECISIONS = readdirSync(resolve(DOCS, 'decisions')).sort();
const STORE = readdirSync(resolve(ROOT, 'launcher/stores/dynamo')).filter((name) => name.endsWith('.ts'));
const PAGES = [
  resolve(ROOT, 'README.md'),
  ...readdirSync(DOCS, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => resolve(DOCS, name)),
];

describe('the documents', () => {
  it('number decisions without a gap and without a double, in the file as in its title', () => {
    const numbers = DECISIONS.map((name) => Number(name.slice(0, 4)));
    expect(numbers).toEqual(DECISIONS.map((_, index) => index + 1));
    const titles = DECISIONS.map((name) => readFileSync(resolve(DOCS, 'decisions', name), 'utf8').split('.', 1)[0]);
    expect(titles).toEqual(numbers.map((number) => `# ${number}`));
  });

  it('link to what is there, and to a decision by its number', () => {
    const wrong = PAGES.flatMap((page) =>
      [...readFileSync(page, 'utf8').matchAll(/\[([^\]]*)\]\(([^)#\s]+)[^)]*\)/g)]
        .map(([, text = '', target = '']) => ({ page, text, target }))
        .filter(({ target }) => !/^[a-z]+:/.test(target))
        .filter(({ text, target }) => !existsSync(resolve(dirname(page), target)) || !isNumberOf(text, target)),
    );
    expect(wrong).toEqual([]);
  });

  it('name every action that a launcher on EC2 calls', () => {
    const page = readFileSync(resolve(DOCS, 'EC2.md'), 'utf8');
    const clients = ['providers/ec2/sdk-api.ts', ...STORE.map((name) => `stores/dynamo/${name}`)];
    const calls = clients.flatMap((path) => [...readFileSync(resolve(ROOT, 'launcher', path), 'utf8').matchAll(/new (\w+)Command\(/g)]);
    expect(calls.length).toBeGreaterThan(30);
    expect(calls.map(([, name = '']) => name).filter((name) => !page.includes(`\`${name}\``))).toEqual([]);
  });
});

/** Whether `decision 7` goes to the page of that number; of other words nothing is asked. */
function isNumberOf(text: string, target: string): boolean {
  const number = /^decision (\d+)$/.exec(text)?.[1];
  return number === undefined || target.includes(`${number.padStart(4, '0')}-`);
}
