import { deflateRawSync, inflateRawSync } from 'node:zlib';
import type { AttributeValue } from '@aws-sdk/client-dynamodb';
import type * as z from 'zod';
import { RecordTooLargeError, UnreadableRecordError } from '../../ports/store.ts';
import { type Key, keyText } from './keys.ts';

/** A row in the low-level form of the SDK. */
export type Row = Record<string, AttributeValue>;

/** The record as JSON; deflated when long. */
const DOC = 'doc';
/** Above this many characters the document is deflated: long ones are reports with many paths, which shrink well. */
const DEFLATE_CHARS = 16 * 1024;
/** A row may have 400 KiB in DynamoDB; the rest is for keys and columns. */
const MAX_DOC_BYTES = 380 * 1024;
/** No document of ours unpacks to more. */
const MAX_INFLATED_BYTES = 16 * 1024 * 1024;

/**
 * How a record is kept: as one JSON document, so that fields and depths which this version does not know survive, beside a
 * few columns that conditions and updates need. A column is in the row only, not in the document.
 */
export interface Shape<T extends object> {
  schema: z.ZodType<T>;
  /** Field of the record → attribute of the row. */
  columns: Readonly<Partial<Record<keyof T & string, string>>>;
  /** Where the record must be: a row that is elsewhere is not trusted. */
  key(record: T): Key;
}

export const text = (value: string): AttributeValue => ({ S: value });
export const number = (value: number): AttributeValue => ({ N: String(value) });
export const stringSet = (values: string[]): AttributeValue => ({ SS: values });

/** A field of a record as a column. A list of strings is a set; an empty one cannot be stored and is left out. */
export function toColumn(value: unknown): AttributeValue | undefined {
  if (value === null) return { NULL: true };
  if (typeof value === 'string') return text(value);
  if (typeof value === 'number') return number(value);
  if (typeof value === 'boolean') return { BOOL: value };
  return Array.isArray(value) && value.length > 0 ? stringSet(value as string[]) : undefined;
}

function fromColumn(value: AttributeValue): unknown {
  if (value.S !== undefined) return value.S;
  if (value.N !== undefined) return Number(value.N);
  if (value.BOOL !== undefined) return value.BOOL;
  if (value.SS !== undefined) return [...value.SS].sort();
  return value.NULL ? null : undefined;
}

/** Key as attributes. */
export const keyRow = (key: Key): { pk: AttributeValue; sk: AttributeValue } => ({ pk: text(key.pk), sk: text(key.sk) });

/** The key of a row of the table or of its index. */
export const rowKey = (row: Row): Key => ({ pk: row['pk']?.S ?? '', sk: row['sk']?.S ?? '' });

/**
 * Document and columns of a record, without its key.
 * @throws RecordTooLargeError
 */
export function encode<T extends object>(shape: Shape<T>, record: T): Row {
  const rest = { ...record } as Record<string, unknown>;
  const row: Row = {};
  for (const [field, attribute] of Object.entries(shape.columns) as Array<[string, string]>) {
    const column = toColumn(rest[field]);
    if (column) row[attribute] = column;
    delete rest[field];
  }
  const json = JSON.stringify(rest);
  row[DOC] = json.length > DEFLATE_CHARS ? { B: deflateRawSync(json) } : text(json);
  const bytes = row[DOC].B?.length ?? Buffer.byteLength(json);
  if (bytes > MAX_DOC_BYTES) throw new RecordTooLargeError(keyText(shape.key(record)), bytes);
  return row;
}

function parseDocument(row: Row): Record<string, unknown> {
  const doc = row[DOC];
  const json = doc?.B ? inflateRawSync(doc.B, { maxOutputLength: MAX_INFLATED_BYTES }).toString('utf8') : doc?.S;
  const value: unknown = json === undefined ? undefined : JSON.parse(json);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error('it has no document');
  return value as Record<string, unknown>;
}

/**
 * The record of a row, checked against its schema but not rewritten by it: unknown fields stay, at every depth.
 * @throws UnreadableRecordError
 */
export function decode<T extends object>(shape: Shape<T>, row: Row): T {
  const key = rowKey(row);
  try {
    const record = parseDocument(row);
    for (const [field, attribute] of Object.entries(shape.columns) as Array<[string, string]>) {
      const column = row[attribute];
      record[field] = column ? fromColumn(column) : [];
    }
    const checked = shape.schema.safeParse(record);
    if (!checked.success) throw checked.error;
    const { pk, sk } = shape.key(record as T);
    if (pk !== key.pk || sk !== key.sk) throw new Error(`it is the record of ${pk} ${sk}`);
    return record as T;
  } catch (error) {
    throw new UnreadableRecordError(keyText(key), reasonOf(error), { cause: error });
  }
}

/** Fields and rules, never values: they may be private. */
function reasonOf(error: unknown): string {
  const issues = (error as { issues?: Array<{ path: PropertyKey[]; code: string }> } | null)?.issues;
  if (issues) return issues.map((issue) => `${issue.path.join('.') || '(record)'}: ${issue.code}`).join(', ');
  if (error instanceof SyntaxError) return 'its document is not JSON';
  return error instanceof Error ? error.message : String(error);
}

/** Rows that can be read, and the keys of those that cannot. */
export function decodeAll<T extends object>(shape: Shape<T>, rows: Row[]): { items: T[]; unreadable: string[] } {
  const items: T[] = [];
  const unreadable: string[] = [];
  for (const row of rows) {
    try {
      items.push(decode(shape, row));
    } catch (error) {
      if (!(error instanceof UnreadableRecordError)) throw error;
      unreadable.push(error.key);
    }
  }
  return { items, unreadable };
}
