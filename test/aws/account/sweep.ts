import { type Dirent, lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';

/** A value in the forms in which it might lie somewhere, by the name of the form. */
export function formsOf(value: string): Map<string, Buffer> {
  const bytes = Buffer.from(value);
  const base64 = [0, 1, 2].map((before) => {
    const encoded = Buffer.concat([Buffer.alloc(before), bytes])
      .toString('base64')
      .replaceAll('=', '');
    return encoded.slice(Math.ceil((before * 4) / 3), -1);
  });
  const forms = new Map([
    ['plain', value],
    ['JSON', JSON.stringify(value).slice(1, -1)],
    ['percent', encodeURIComponent(value)],
    ['form', new URLSearchParams({ x: value }).toString().slice(2)],
    ['hex', bytes.toString('hex')],
    ...base64.map((text, at) => [`base64 ${at}`, text] as const),
    ...base64.map((text, at) => [`base64url ${at}`, text.replaceAll('+', '-').replaceAll('/', '_')] as const),
  ]);
  return new Map([...forms].map(([form, text]) => [form, Buffer.from(text)]));
}

/** Where a value was found in texts, by their names. */
export function foundIn(value: string, texts: Iterable<readonly [string, string | Buffer]>): string[] {
  const forms = formsOf(value);
  const found: string[] = [];
  for (const [name, text] of texts) {
    const bytes = Buffer.from(text);
    for (const [form, needle] of forms) if (bytes.includes(needle)) found.push(`${name} (${form})`);
  }
  return found;
}

/** Names and contents of everything below a folder. */
export function* filesIn(folder: string): Generator<readonly [string, Buffer | string]> {
  let entries: Dirent[] = [];
  try {
    entries = readdirSync(folder, { withFileTypes: true });
  } catch {
    // Gone meanwhile.
  }
  for (const entry of entries) {
    const path = join(folder, entry.name);
    yield [`name of ${path}`, entry.name];
    if (entry.isDirectory()) yield* filesIn(path);
    else if (entry.isSymbolicLink()) yield [path, readlinkSync(path)];
    else if (entry.isFile() && lstatSync(path).size > 0) yield [path, readFileSync(path)];
  }
}

/** A file of every process that there is: `cmdline` or `environ`. */
export function* processFiles(file: 'cmdline' | 'environ'): Generator<readonly [string, Buffer]> {
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      yield [pid, readFileSync(`/proc/${pid}/${file}`)];
    } catch {
      // It has ended.
    }
  }
}
