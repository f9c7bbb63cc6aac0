import { DevctlError } from '../contract/errors.ts';
import { docsPage } from './docs-page.ts';
import { streamReply } from './files.ts';
import { openApiDocument } from './openapi.ts';
import type { Call, Reply } from './operation.ts';

export async function reap({ deps, body }: Call<'reap'>): Promise<Reply<'reap'>> {
  return { body: await deps.reap(body.dryRun) };
}

export async function recover({ deps, body }: Call<'recover'>): Promise<Reply<'recover'>> {
  return { body: await deps.recover(body.dryRun) };
}

export async function info({ deps }: Call<'info'>): Promise<Reply<'info'>> {
  const { version, providerName, isolation } = deps.config;
  const startedAt = new Date(deps.startedAtMs).toISOString();
  return { body: { version, provider: providerName, isolation, startedAt, checks: await deps.checks() } };
}

export async function launcherLogs({ deps, query }: Call<'launcherLogs'>): Promise<Response> {
  const lines = await deps.launcherLogs({ tailLines: query.tail, follow: query.follow === 'true' });
  return streamReply(lines, 'text/plain; charset=utf-8');
}

export async function healthz(_call: Call<'healthz'>): Promise<Reply<'healthz'>> {
  return { body: { status: 'ok', checks: {} } };
}

export async function readyz({ deps }: Call<'readyz'>): Promise<Reply<'readyz'>> {
  try {
    await deps.store.ping();
  } catch (error) {
    throw new DevctlError('unavailable', 'the store does not answer', { cause: error });
  }
  return { body: { status: 'ok', checks: { store: 'ok' } } };
}

export async function metrics({ deps }: Call<'metrics'>): Promise<Response> {
  return new Response(deps.metricsText(), { headers: { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' } });
}

export async function openapi({ deps }: Call<'openapi'>): Promise<Response> {
  return new Response(JSON.stringify(openApiDocument(deps.config.version)), { headers: { 'content-type': 'application/json' } });
}

export async function docs({ deps }: Call<'docs'>): Promise<Response> {
  const { html, styleHash } = docsPage(openApiDocument(deps.config.version));
  const policy = `default-src 'none'; style-src '${styleHash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`;
  return new Response(html, { headers: { 'content-type': 'text/html; charset=utf-8', 'content-security-policy': policy } });
}
