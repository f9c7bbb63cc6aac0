import { describe, expect, it } from 'vitest';
import { docsPage } from '../../../launcher/api/docs-page.ts';
import { errorsOf, openApiDocument } from '../../../launcher/api/openapi.ts';
import { ERRORS } from '../../../launcher/contract/errors.ts';
import { OPERATIONS, type Operation, type OperationId } from '../../../launcher/contract/routes.ts';

const document = openApiDocument('1.2.3');
const text = JSON.stringify(document);
interface OperationObject {
  operationId: string;
  security: unknown[];
  parameters: Array<{ name: string; in: string; required: boolean; schema: object }>;
  requestBody?: { content: Record<string, object> };
  responses: Record<string, { description: string; content?: Record<string, { examples?: Record<string, unknown> }> }>;
}
const ids = Object.keys(OPERATIONS) as OperationId[];
const objectOf = (id: OperationId): OperationObject => {
  const { path, method } = OPERATIONS[id];
  return document.paths[path]?.[method.toLowerCase()] as unknown as OperationObject;
};

describe('the OpenAPI document', () => {
  it('refers only to what it has', () => {
    const references = new Set([...text.matchAll(/"\$ref":"#\/components\/(\w+)\/([\w.-]+)"/g)].map(([, kind, name]) => `${kind}/${name}`));
    expect(references.size).toBeGreaterThan(30);
    for (const reference of references) {
      const [kind = '', name = ''] = reference.split('/');
      expect((document.components as unknown as Record<string, object>)[kind], reference).toHaveProperty(name);
    }
    expect(text).not.toContain('$defs');
    expect(text).not.toContain('$schema');
  });

  it.each(ids)('has %s with its parameters, body, answer and every error', (id) => {
    const operation: Operation = OPERATIONS[id];
    const object = objectOf(id);
    expect(object.operationId).toBe(id);
    const names = object.parameters.map(({ name, in: where }) => `${where} ${name}`);
    expect(new Set(names).size).toBe(names.length);
    for (const [, name] of operation.path.matchAll(/\{(\w+)\}/g)) expect(names).toContain(`path ${name}`);
    for (const name of Object.keys(operation.query?.shape ?? {})) expect(names).toContain(`query ${name}`);
    expect(names.includes('header Idempotency-Key')).toBe(operation.idempotent === true);
    expect(Object.keys(object.requestBody?.content ?? {})).toEqual(
      operation.body ? ['application/json'] : operation.upload ? [operation.upload] : [],
    );
    expect(Object.keys(object.responses)).toContain(operation.stream === 'frames' ? '101' : String(operation.status));
    for (const code of errorsOf(operation)) {
      const response = object.responses[String(ERRORS[code].status)];
      expect(response?.content?.['application/problem+json']?.examples, code).toHaveProperty(code);
    }
    expect(object.security).toHaveLength(operation.scope === 'public' ? 0 : 1);
  });

  it('has the examples of the contract', () => {
    expect(document.components.schemas['CreateSession']).toMatchObject({ examples: [{ workspace: 'shop' }], additionalProperties: false });
    expect(document.components.schemas['Session']).toMatchObject({ properties: { phase: { enum: expect.arrayContaining(['ready']) } } });
    expect(openApiDocument('1.2.3')).toBe(document);
    expect(openApiDocument('2.0.0').info.version).toBe('2.0.0');
  });
});

describe('the page of it', () => {
  it('has every operation, no script and nothing from elsewhere', () => {
    const { html, styleHash } = docsPage(document);
    for (const id of ids) expect(html).toContain(`id="${id}"`);
    expect(html).not.toMatch(/<script|<link|<img|<iframe|src=|@import|url\(/i);
    expect(styleHash).toMatch(/^sha256-[\w+/]{43}=$/);
  });

  it('escapes what is in it', () => {
    const evil = '<img src=x onerror=alert(1)>"\'&';
    const { html } = docsPage({
      ...document,
      info: { title: evil, version: evil, description: evil },
      paths: {
        [evil]: {
          [evil]: {
            operationId: evil,
            summary: evil,
            parameters: [{ name: evil, in: evil, description: evil }, 7],
            responses: { [evil]: null },
            requestBody: { content: { [evil]: null } },
          },
        },
      },
      components: { ...document.components, schemas: { [evil]: { [evil]: evil } } },
    });
    expect(html).not.toContain('<img');
  });
});
