const REDACTED = '[redacted]';
/** Shorter text is in everything: to mask it would spoil the log and hide nothing. */
const NEEDLE_MIN = 4;
/** Of lines and fields within a value: a shorter one may be a word. */
const PART_MIN = 8;
const PARTS_MAX = 200;
/** Secrets rotate: the oldest values are forgotten. */
const VALUES_MAX = 100;
/** A line that is longer is passed on in pieces. */
const LINE_MAX = 64 * 1024;

/**
 * Takes the values of secrets that this agent has read out of whatever it writes or sends: as they are, within JSON, and in the usual
 * encodings. They are known to this process only, for as long as it runs.
 */
export class SecretMask {
  /** By value, oldest first. */
  readonly #needles = new Map<string, string[]>();
  #all: string[] = [];

  learn(value: Uint8Array): void {
    const text = Buffer.from(value).toString();
    if (this.#needles.has(text)) return;
    this.#needles.set(text, needlesOf(value));
    if (this.#needles.size > VALUES_MAX) this.#needles.delete(this.#needles.keys().next().value as string);
    const all = new Set([...this.#needles.values()].flat());
    // The longest first: one may be a part of another.
    this.#all = [...all].sort((one, other) => other.length - one.length);
  }

  text(text: string): string {
    return replaceAll(text, this.#all);
  }

  /** Every text in what is to be sent as JSON, but no name of a field; and no short value, which may be one that a reader relies on. */
  json<T>(value: T): T {
    const needles = this.#all.filter((needle) => needle.length >= PART_MIN);
    return needles.length === 0 ? value : (walk(value, needles) as T);
  }

  /** For output that comes in pieces: passes on whole lines, since a secret may be cut anywhere. `rest` is the line that is not whole yet. */
  lines(write: (text: string) => void): { take(chunk: Uint8Array): void; end(): void; rest(): string } {
    const decoder = new TextDecoder();
    let rest = '';
    const pass = (text: string) => {
      if (text !== '') write(this.text(text));
    };
    return {
      take: (chunk) => {
        rest += decoder.decode(chunk, { stream: true });
        const end = rest.length > LINE_MAX ? rest.length : rest.lastIndexOf('\n') + 1;
        pass(rest.slice(0, end));
        rest = rest.slice(end);
      },
      end: () => {
        pass(rest);
        rest = '';
      },
      rest: () => this.text(rest),
    };
  }
}

function replaceAll(text: string, needles: readonly string[]): string {
  let out = text;
  for (const needle of needles) if (out.includes(needle)) out = out.replaceAll(needle, REDACTED);
  return out;
}

function walk(value: unknown, needles: readonly string[]): unknown {
  if (typeof value === 'string') return replaceAll(value, needles);
  if (Array.isArray(value)) return value.map((item) => walk(item, needles));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, walk(field, needles)]));
}

/** Every form of a value, of its lines, and of the fields of its JSON. */
function needlesOf(value: Uint8Array): string[] {
  const bytes = Buffer.from(value);
  const text = bytes.toString();
  const parts = [...text.split(/\r?\n/), ...fieldsOf(text)].map((part) => part.trim()).filter((part) => part.length >= PART_MIN);
  const forms = [...formsOf(bytes), ...parts.slice(0, PARTS_MAX).flatMap((part) => formsOf(Buffer.from(part)))];
  return [...new Set(forms)].filter((form) => form.length >= NEEDLE_MIN);
}

function fieldsOf(text: string): string[] {
  try {
    const fields: unknown[] = Object.values(JSON.parse(text) as object);
    return fields.filter((field): field is string => typeof field === 'string');
  } catch {
    return [];
  }
}

function formsOf(bytes: Buffer): string[] {
  const text = bytes.toString();
  const trimmed = text.trim();
  const plain = [text, trimmed].flatMap((form) => [form, ...jsonForms(form), ...escapedForms(form)]);
  const hex = bytes.toString('hex');
  return [...plain, hex, hex.toUpperCase(), ...base64Forms(bytes)];
}

/** Also within a text that is JSON itself, and as programs write it that keep to ASCII. */
function jsonForms(text: string): string[] {
  const inside = (form: string) => JSON.stringify(form).slice(1, -1);
  const once = inside(text);
  const ascii = once.replace(/[\u007f-\uffff]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);
  return [once, inside(once), ascii];
}

function escapedForms(text: string): string[] {
  const percent = encodeURIComponent(text);
  const strict = percent.replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
  const form = new URLSearchParams({ '': text }).toString().slice(1);
  return [percent, strict, form].flatMap((escaped) => [escaped, escaped.replace(/%[0-9A-F]{2}/g, (code) => code.toLowerCase())]);
}

/** What of it is the same wherever it stands in what is encoded: there are three places that it may begin at. */
function base64Forms(bytes: Buffer): string[] {
  return [0, 1, 2].flatMap((before) => {
    const encoded = Buffer.concat([Buffer.alloc(before), bytes])
      .toString('base64')
      .replaceAll('=', '');
    const first = Math.ceil((before * 8) / 6);
    const last = Math.floor(((before + bytes.length) * 8) / 6);
    const sure = encoded.slice(first, last);
    // With fewer characters than this it is as short as a word.
    return sure.length < PART_MIN ? [] : [sure, sure.replaceAll('+', '-').replaceAll('/', '_')];
  });
}
