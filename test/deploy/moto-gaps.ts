import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** Types that moto's CloudFormation does not know, with what stands for their attributes. Nothing is checked of them there. */
const LACKING: Readonly<Record<string, string>> = {
  'AWS::Lambda::Url': 'https://moto.lambda-url.eu-central-1.on.aws/',
  'AWS::Lambda::EventInvokeConfig': '',
  'AWS::S3::BucketPolicy': '',
  'AWS::SQS::QueuePolicy': '',
  'AWS::SecretsManager::Secret': 'arn:aws:secretsmanager:eu-central-1:123456789012:secret:devctl/launcher-a1B2c3',
};

/** Calls that moto does not know, answered here as AWS would. */
const ANSWERS: Readonly<Record<string, string>> = {
  UpdateTerminationProtection:
    '<UpdateTerminationProtectionResponse xmlns="http://cloudformation.amazonaws.com/doc/2010-05-15/"><UpdateTerminationProtectionResult><StackId>x</StackId></UpdateTerminationProtectionResult></UpdateTerminationProtectionResponse>',
};

interface Template {
  Resources: Record<string, { Type: string; DependsOn?: string | string[] }>;
  Outputs?: Record<string, { Value: unknown }>;
}

const OUTPUTS = 'outputs of a stack that a change set made';
const AUTHORIZATION =
  'AWS4-HMAC-SHA256 Credential=test/20260101/eu-central-1/cloudformation/aws4_request, SignedHeaders=host, Signature=none';

export interface MotoGaps {
  url: string;
  /** What was left out of templates, and which calls were answered for moto, each once. */
  lacking: Set<string>;
  /** The forms of those calls. */
  answered: URLSearchParams[];
  close(): Promise<void>;
}

/** A server in front of moto that fills in what moto does not have, and tells it. `stack` is the one whose template is filled in, `more` are answers to more calls. */
export async function startMotoGaps(motoUrl: string, stack: string, more: Readonly<Record<string, string>> = {}): Promise<MotoGaps> {
  const lacking = new Set<string>();
  const answered: URLSearchParams[] = [];
  const outputs: Outputs = new Map();
  const original: { text: string | null } = { text: null };
  // What goes wrong on the way looks to the caller like a connection that broke, which it tries again.
  const server = createServer((incoming, answer) => void handle(incoming, answer).catch(() => answer.destroy()));
  async function handle(incoming: IncomingMessage, answer: ServerResponse): Promise<void> {
    const given = await bodyOf(incoming);
    const form = new URLSearchParams(given.subarray(0, 4096).toString());
    const action = form.get('Action') ?? '';
    const send = (status: number, xml: string) => void answer.writeHead(status, { 'content-type': 'text/xml' }).end(xml);
    const own = ANSWERS[action] ?? more[action];
    if (own !== undefined) {
      lacking.add(`call ${action}`);
      answered.push(form);
      return send(200, own);
    }
    // As it was given, so that nothing has changed when it is given again.
    if (action === 'GetTemplate' && original.text !== null && isStack(form, stack)) return send(200, templateAnswer(original.text));
    if (action === 'DescribeStacks' && isStack(form, stack)) {
      const { status, xml } = await describe(motoUrl, form, { outputs, lacking });
      return send(status, xml);
    }
    const isPut = incoming.method === 'PUT';
    const body = isPut ? withoutLacking(given, { lacking, outputs, original }) : given;
    const { host, port } = new URL(motoUrl);
    const headers = headersOf(incoming, isPut);
    const options = { host: '127.0.0.1', port, method: incoming.method, path: incoming.url, agent: false as const };
    const forwarded = request({ ...options, headers: { ...headers, host, 'content-length': String(body.length) } }, (response) => {
      answer.writeHead(response.statusCode ?? 502, response.headers);
      response.pipe(answer);
    });
    forwarded.on('error', () => answer.destroy());
    forwarded.end(body);
  }
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const close = async (): Promise<void> => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  };
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, lacking, answered, close };
}

const templateAnswer = (text: string): string => {
  const escaped = text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
  return `<GetTemplateResponse xmlns="http://cloudformation.amazonaws.com/doc/2010-05-15/"><GetTemplateResult><TemplateBody>${escaped}</TemplateBody></GetTemplateResult></GetTemplateResponse>`;
};

const OF_A_STREAM = /^(content-encoding|transfer-encoding|x-amz-(trailer|decoded|checksum|sdk-checksum|content-sha256))/;

/** Of something that is put, the body is whole here, whatever it came in. */
const headersOf = ({ headers }: IncomingMessage, isPut: boolean): IncomingHttpHeaders =>
  isPut ? Object.fromEntries(Object.entries(headers).filter(([name]) => !OF_A_STREAM.test(name))) : headers;

/** The stack is named, or its ARN is. */
function isStack(form: URLSearchParams, stack: string): boolean {
  const named = form.get('StackName') ?? '';
  return named === stack || named.includes(`:stack/${stack}/`);
}

async function bodyOf(incoming: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk as Buffer);
  const body = Buffer.concat(chunks);
  return String(incoming.headers['content-encoding'] ?? '').includes('aws-chunked') ? unchunked(body) : body;
}

/** Chunks of AWS: the length in hexadecimal, with or without a signature, and as many bytes. */
function unchunked(body: Buffer): Buffer {
  const parts: Buffer[] = [];
  let at = 0;
  for (;;) {
    const end = body.indexOf('\r\n', at);
    const length = Number.parseInt(body.subarray(at, end).toString(), 16);
    if (!(length > 0)) return Buffer.concat(parts);
    parts.push(body.subarray(end + 2, end + 2 + length));
    at = end + 2 + length + 2;
  }
}

interface Seen {
  lacking: Set<string>;
  outputs: Outputs;
  original: { text: string | null };
}

function withoutLacking(body: Buffer, { lacking, outputs, original }: Seen): Buffer {
  const template = templateIn(body);
  if (template === null) return body;
  const gone = new Map<string, string>();
  for (const [id, { Type }] of Object.entries(template.Resources)) {
    const stands = LACKING[Type];
    if (stands === undefined) continue;
    lacking.add(Type);
    gone.set(id, stands);
    delete template.Resources[id];
  }
  for (const resource of Object.values(template.Resources))
    if (resource.DependsOn !== undefined) resource.DependsOn = [resource.DependsOn].flat().filter((id) => !gone.has(id));
  if (gone.size > 0) original.text = body.toString();
  const filled = replaced(template, gone) as Template;
  for (const [name, { Value }] of Object.entries(filled.Outputs ?? {})) outputs.set(name, Value);
  return Buffer.from(JSON.stringify(filled));
}

function templateIn(body: Buffer): Template | null {
  try {
    const parsed = JSON.parse(body.toString());
    return typeof parsed === 'object' && parsed !== null && 'Resources' in parsed ? parsed : null;
  } catch {
    return null;
  }
}

function replaced(value: unknown, gone: ReadonlyMap<string, string>): unknown {
  if (Array.isArray(value)) return value.map((each) => replaced(each, gone));
  if (typeof value !== 'object' || value === null) return value;
  const { Ref: ref, 'Fn::GetAtt': attribute } = value as { Ref?: string; 'Fn::GetAtt'?: string[] };
  const stands = gone.get(ref ?? attribute?.[0] ?? '');
  if (stands !== undefined) return stands;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, replaced(each, gone)]));
}

/** Values of outputs, as the last template has them. */
type Outputs = Map<string, unknown>;

/** Puts the outputs in that moto has forgotten, from what it says of the resources. */
async function describe(
  motoUrl: string,
  form: URLSearchParams,
  { outputs, lacking }: { outputs: Outputs; lacking: Set<string> },
): Promise<{ status: number; xml: string }> {
  const ask = async (content: URLSearchParams) => {
    const response = await fetch(motoUrl, {
      method: 'POST',
      headers: { authorization: AUTHORIZATION, connection: 'close' },
      body: content,
    });
    return { status: response.status, xml: await response.text() };
  };
  const { status, xml } = await ask(form);
  const stack = form.get('StackName') ?? '';
  if (status !== 200 || !/<StackStatus>(CREATE|UPDATE)_COMPLETE</.test(xml) || /<OutputKey>/.test(xml)) return { status, xml };
  const list = await ask(new URLSearchParams({ Action: 'ListStackResources', StackName: stack, Version: '2010-05-15' }));
  const ids = new Map(
    [...list.xml.matchAll(/<member>(.*?)<\/member>/gs)].map(([, member = '']) => [
      /<LogicalResourceId>(.*?)</.exec(member)?.[1] ?? '',
      /<PhysicalResourceId>(.*?)</.exec(member)?.[1] ?? '',
    ]),
  );
  const members = [...outputs].flatMap(([name, value]) => {
    const text = textOf(value, ids);
    return text === null ? [] : [`<member><OutputKey>${name}</OutputKey><OutputValue>${text}</OutputValue></member>`];
  });
  if (members.length === 0) return { status, xml };
  lacking.add(OUTPUTS);
  // It is protected as soon as it is made, which moto does not know either.
  const protectedXml = xml.replace(/<EnableTerminationProtection>false</, '<EnableTerminationProtection>true<');
  return { status, xml: protectedXml.replace('</StackStatus>', `</StackStatus><Outputs>${members.join('')}</Outputs>`) };
}

const ROLE_ARN = 'arn:aws:iam::123456789012:';

/** Null for what is of another stack. */
function textOf(value: unknown, ids: ReadonlyMap<string, string>): string | null {
  if (typeof value === 'string') return value;
  const {
    Ref: ref,
    'Fn::GetAtt': attribute,
    'Fn::Join': join,
  } = value as { Ref?: string; 'Fn::GetAtt'?: [string, string]; 'Fn::Join'?: [string, unknown[]] };
  if (join !== undefined) {
    const texts = join[1].map((part) => textOf(part, ids));
    return texts.includes(null) ? null : texts.join(join[0]);
  }
  const id = ids.get(ref ?? attribute?.[0] ?? '');
  if (id === undefined) return null;
  if (attribute?.[1] !== 'Arn') return id;
  return `${ROLE_ARN}${attribute[0].includes('Profile') ? 'instance-profile' : 'role'}/${id}`;
}
