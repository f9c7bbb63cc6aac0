import * as z from 'zod';
import { idempotencyKeySchema } from '../contract/api.ts';
import { ERROR_CODES, ERRORS, type ErrorCode } from '../contract/errors.ts';
import { problemSchema } from '../contract/problem.ts';
import { COMMON_ERRORS, OPERATIONS, type Operation, type OperationId } from '../contract/routes.ts';

type Json = Record<string, unknown>;

export interface OpenApiDocument extends Json {
  openapi: string;
  info: { title: string; version: string; description: string };
  paths: Record<string, Record<string, Json>>;
  components: { schemas: Record<string, Json>; examples: Json; securitySchemes: Json };
}

const COMPONENTS = '#/components/schemas/';

/** Gathers the schemas that have an id under `components`, and refers to them. */
class Schemas {
  readonly components: Record<string, Json> = {};

  of(schema: z.ZodType, io: 'input' | 'output'): Json {
    // An input may leave out what has a default, so that the two sides of one id differ; answers get a name of their own.
    const registry = z.toJSONSchema(schema, { io, target: 'draft-2020-12', unrepresentable: 'any', reused: 'inline' }) as Json;
    return this.#lift(registry);
  }

  #lift(schema: Json): Json {
    const { $schema: _dialect, $defs: definitions, ...rest } = schema;
    for (const [id, definition] of Object.entries((definitions ?? {}) as Record<string, Json>)) this.#add(id, definition);
    const plain = this.#clean(rest) as Json;
    const id = schema['id'];
    if (typeof id !== 'string') return plain;
    this.#add(id, rest);
    return { $ref: `${COMPONENTS}${id}` };
  }

  #add(id: string, schema: Json): void {
    this.components[id] ??= this.#clean(schema) as Json;
  }

  /** References to definitions become references to components; `id` and `example` become what the dialect knows. */
  #clean(value: unknown): unknown {
    if (Array.isArray(value)) return value.map((item) => this.#clean(item));
    if (typeof value !== 'object' || value === null) return value;
    const out: Json = {};
    for (const [key, field] of Object.entries(value)) {
      if (key === '$ref' && typeof field === 'string') out[key] = field.replace('#/$defs/', COMPONENTS);
      else if (key === 'id' && typeof field === 'string') continue;
      else if (key === 'example') out['examples'] = [field];
      else if (key === 'properties')
        out[key] = Object.fromEntries(Object.entries(field as Json).map(([name, item]) => [name, this.#clean(item)]));
      else out[key] = this.#clean(field);
    }
    return out;
  }
}

function parametersOf(schemas: Schemas, operation: Operation): Json[] {
  const parameters: Json[] = [];
  for (const [where, schema] of [
    ['path', operation.params],
    ['query', operation.query],
  ] as const) {
    for (const [name, field] of Object.entries(schema?.shape ?? {})) {
      const json = schemas.of(field as z.ZodType, 'input');
      const { description, ...rest } = json;
      const required = where === 'path' || !(field as z.ZodType).safeParse(undefined).success;
      parameters.push({ name, in: where, required, ...(description !== undefined && { description }), schema: rest });
    }
  }
  if (operation.idempotent) {
    const description = 'The same key with the same body gives the same answer for 24 h; with another body it is refused';
    parameters.push({
      name: 'Idempotency-Key',
      in: 'header',
      required: false,
      description,
      schema: schemas.of(idempotencyKeySchema, 'input'),
    });
  }
  if (operation.stream === 'text/event-stream') {
    const description = 'Goes on after the event with this id';
    parameters.push({ name: 'Last-Event-ID', in: 'header', required: false, description, schema: { type: 'string' } });
  }
  return parameters;
}

const BODY_ERRORS = ['too_large', 'unsupported_media_type', 'request_timeout'] as const;

/** Every code that an operation may answer with. */
export function errorsOf(operation: Operation): ErrorCode[] {
  const needsToken = operation.scope !== 'public';
  const common = COMMON_ERRORS.filter((code) => needsToken || (code !== 'unauthorized' && code !== 'forbidden'));
  return [...new Set([...operation.errors, ...common, ...(operation.body || operation.upload ? BODY_ERRORS : [])])];
}

function problemResponses(schemas: Schemas, operation: Operation): Json {
  const problem = schemas.of(problemSchema, 'output');
  const byStatus = new Map<number, ErrorCode[]>();
  for (const code of errorsOf(operation)) byStatus.set(ERRORS[code].status, [...(byStatus.get(ERRORS[code].status) ?? []), code]);
  const responses: Json = {};
  for (const [status, codes] of [...byStatus].sort(([a], [b]) => a - b)) {
    const examples = Object.fromEntries(codes.map((code) => [code, { $ref: `#/components/examples/${code}` }]));
    const description = codes.map((code) => `\`${code}\`: ${ERRORS[code].title}`).join('; ');
    responses[String(status)] = { description, content: { 'application/problem+json': { schema: problem, examples } } };
  }
  return responses;
}

function exampleProblem(code: ErrorCode): Json {
  const { status, title, retryable, hint } = ERRORS[code];
  return { type: `https://devctl.dev/errors/${code.replaceAll('_', '-')}`, code, title, status, retryable, detail: title, hint };
}

function successOf(schemas: Schemas, operation: Operation): Json {
  if (operation.stream === 'frames') return { '101': { description: 'A WebSocket whose binary messages carry exec frames' } };
  const schema = operation.response && schemas.of(operation.response, 'output');
  const type = operation.stream ?? 'application/json';
  const plain = operation.stream === undefined || operation.stream === 'text/event-stream' ? schema : { type: 'string' };
  const content = operation.status === 204 ? undefined : { [type]: { schema: plain ?? { type: 'object' } } };
  return { [String(operation.status)]: { description: operation.summary, ...(content && { content }) } };
}

function operationObject(schemas: Schemas, id: OperationId): Json {
  const operation: Operation = OPERATIONS[id];
  const { body, upload, scope } = operation;
  const requestBody = body
    ? { required: !body.safeParse({}).success, content: { 'application/json': { schema: schemas.of(body, 'input') } } }
    : upload && { required: true, content: { [upload]: { schema: { type: 'string', format: 'binary' } } } };
  return {
    operationId: id,
    summary: operation.summary,
    tags: [operation.path.split('/')[1] ?? ''],
    security: scope === 'public' ? [] : scope === 'box' ? [{ box: [] }] : [{ token: [scope] }],
    parameters: parametersOf(schemas, operation),
    ...(requestBody && { requestBody }),
    responses: { ...successOf(schemas, operation), ...problemResponses(schemas, operation) },
  };
}

let made: OpenApiDocument | null = null;

/** The OpenAPI 3.1 document, derived from the table of operations and from nothing else. */
export function openApiDocument(version: string): OpenApiDocument {
  if (made?.info.version === version) return made;
  const schemas = new Schemas();
  const paths: OpenApiDocument['paths'] = {};
  for (const id of Object.keys(OPERATIONS) as OperationId[]) {
    const { path, method } = OPERATIONS[id];
    paths[path] = { ...paths[path], [method.toLowerCase()]: operationObject(schemas, id) };
  }
  made = {
    openapi: '3.1.0',
    info: {
      title: 'devctl',
      version,
      description:
        'Leases ephemeral dev boxes. Errors are RFC 9457 problem documents with a stable `code`. Lists page with a cursor. ' +
        'Bodies and queries are strict: a field that is not known is refused by its name.',
    },
    paths,
    components: {
      schemas: Object.fromEntries(Object.entries(schemas.components).sort(([a], [b]) => (a < b ? -1 : 1))),
      examples: Object.fromEntries(ERROR_CODES.map((code) => [code, { value: exampleProblem(code) }])),
      securitySchemes: {
        token: { type: 'http', scheme: 'bearer', description: 'A token of `devctl token create`; each operation names its scope' },
        box: { type: 'http', scheme: 'bearer', description: 'The token of one generation of a box' },
      },
    },
  };
  return made;
}
