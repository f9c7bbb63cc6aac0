import { createHash } from 'node:crypto';
import type { OpenApiDocument } from './openapi.ts';

type Json = Record<string, unknown>;

const STYLE = `
:root{color-scheme:light dark;font:15px/1.5 system-ui,sans-serif}
body{max-width:60rem;margin:2rem auto;padding:0 1rem}
code,pre{font:13px/1.45 ui-monospace,monospace}
pre{overflow:auto;padding:.75rem;background:#8881;border-radius:6px}
details{border-top:1px solid #8884;padding:.5rem 0}
summary{cursor:pointer}
summary b{display:inline-block;min-width:4.5rem}
table{border-collapse:collapse;width:100%}
td,th{text-align:left;vertical-align:top;padding:.2rem .75rem .2rem 0;border-bottom:1px solid #8882}
small{opacity:.7}`;

const ESCAPES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
const escapeHtml = (value: unknown): string => String(value).replace(/[&<>"']/g, (char) => ESCAPES[char] ?? char);

const isRecord = (value: unknown): value is Json => typeof value === 'object' && value !== null && !Array.isArray(value);
const list = (value: unknown): Json[] => (Array.isArray(value) ? value.filter(isRecord) : []);

function schemaHtml(schema: unknown): string {
  return `<pre>${escapeHtml(JSON.stringify(schema, null, 1)).replace(/&quot;#\/components\/schemas\/(\w+)&quot;/g, '<a href="#schema-$1">$1</a>')}</pre>`;
}

function parametersHtml(parameters: Json[]): string {
  if (parameters.length === 0) return '';
  const rows = parameters.map((parameter) => {
    const schema = isRecord(parameter['schema']) ? parameter['schema'] : {};
    const about = parameter['description'] ?? '';
    const type = schema['enum'] ?? schema['pattern'] ?? schema['type'] ?? '';
    return `<tr><td><code>${escapeHtml(parameter['name'])}</code><td>${escapeHtml(parameter['in'])}${parameter['required'] === true ? ', required' : ''}<td>${escapeHtml(about)} <small>${escapeHtml(type)}</small>`;
  });
  return `<table><tr><th>parameter<th>in<th>${rows.join('')}</table>`;
}

function contentHtml(part: unknown): string {
  const content = isRecord(part) && isRecord(part['content']) ? part['content'] : {};
  return Object.entries(content)
    .filter(([type]) => type !== 'application/problem+json')
    .map(([type, media]) => `<p><small>${escapeHtml(type)}</small>${schemaHtml(isRecord(media) ? media['schema'] : {})}`)
    .join('');
}

function operationHtml(method: string, path: string, operation: Json): string {
  const responses = isRecord(operation['responses']) ? operation['responses'] : {};
  const rows = Object.entries(responses).map(
    ([status, response]) =>
      `<tr><td>${escapeHtml(status)}<td>${escapeHtml(isRecord(response) ? response['description'] : '')}${contentHtml(response)}`,
  );
  const body = isRecord(operation['requestBody']) ? `<h4>Body</h4>${contentHtml(operation['requestBody'])}` : '';
  return `<details id="${escapeHtml(operation['operationId'])}"><summary><b>${escapeHtml(method.toUpperCase())}</b> <code>${escapeHtml(path)}</code> <small>${escapeHtml(operation['summary'])}</small></summary>${parametersHtml(list(operation['parameters']))}${body}<h4>Answers</h4><table>${rows.join('')}</table></details>`;
}

/** A page of its own, with no script and nothing from elsewhere. `styleHash` is what its content security policy allows. */
export function docsPage(document: OpenApiDocument): { html: string; styleHash: string } {
  const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => operationHtml(method, path, operation)),
  );
  const schemas = Object.entries(document.components.schemas).map(
    ([id, schema]) =>
      `<details id="schema-${escapeHtml(id)}"><summary><code>${escapeHtml(id)}</code></summary>${schemaHtml(schema)}</details>`,
  );
  const { title, version, description } = document.info;
  const html = `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${escapeHtml(title)} API</title><style>${STYLE}</style><h1>${escapeHtml(title)} API <small>${escapeHtml(version)}</small></h1><p>${escapeHtml(description)}</p><p>The same as JSON: <a href="/openapi.json">/openapi.json</a></p><h2>Operations</h2>${operations.join('')}<h2>Schemas</h2>${schemas.join('')}</html>`;
  return { html, styleHash: `sha256-${createHash('sha256').update(STYLE).digest('base64')}` };
}
