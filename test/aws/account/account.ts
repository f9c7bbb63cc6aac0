import { randomUUID } from 'node:crypto';
import { copyFileSync, mkdirSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import type { Ec2Api } from '../../../launcher/providers/ec2/api.ts';
import { WORKSPACE_DEVICE } from '../../../launcher/providers/ec2/fleet.ts';
import { connectAws } from '../../../launcher/providers/ec2/sdk-api.ts';
import type { Machines, ProcessMachines } from './machines.ts';

export const REGION = 'us-east-1';
/** Source: IAM User Guide, "Signature Version 4": requests have to come within five minutes of their time stamp. */
const SIGNATURE_HOLDS_MS = 300_000;
const PLUGIN = new URL('plugin.mjs', import.meta.url).pathname;

type Keys = Awaited<ReturnType<typeof generateKeyPair>>;

interface Fields {
  get(name: string): string | null;
  all: [string, string][];
}

interface Invocation {
  status: string;
  code: number;
  stdout: string;
  stderr: string;
}

/**
 * An account in which machines run. Moto answers for it, over HTTP and in the formats of AWS; what moto leaves out is added on
 * the way: volumes hold files, instances run the real agent, a fleet has the volumes that were asked for, commands and sessions of
 * Systems Manager get to the machine, and STS tells instances who they are.
 */
export class Account<M extends Machines = ProcessMachines> {
  readonly machines: M;
  readonly #moto: string;
  readonly #ec2: Ec2Api;
  readonly #server: Server;
  readonly #invocations = new Map<string, Invocation>();
  readonly #booting = new Set<Promise<void>>();
  readonly #closeClient: () => void;
  #keys!: Keys;
  /** Calls by their name, in the order that they came. */
  readonly calls: string[] = [];
  /** All that came, as text, but for what was asked of Secrets Manager and what came back from there. */
  readonly seen: string[] = [];
  /** Which secret was read, with whose credentials, and where. */
  readonly secretReads: { secretId: string; accessKeyId: string; region: string }[] = [];
  /** ARNs that the role of instances may not read. */
  readonly denied = new Set<string>();
  /** Instances that EC2 is about to take away, and when. */
  readonly notices = new Map<string, Date>();
  /** Runs a function of Lambda, sometime. */
  onInvoke: (name: string, payload: unknown) => void = () => {};
  /** Of a server that has the tables. @default moto */
  tablesUrl: string | null = null;
  url = '';
  /** Of the latest launch template: there is one for each account here. */
  #userData: string | null = null;

  private constructor(moto: string, machines: M) {
    this.#moto = moto;
    this.machines = machines;
    const { ec2, close } = connectAws({ region: REGION, endpoint: moto, credentials: { accessKeyId: 'test', secretAccessKey: 'test' } });
    this.#ec2 = ec2;
    this.#closeClient = close;
    this.#server = createServer((incoming, answer) => {
      this.#answer(incoming, answer).catch((error: unknown) => {
        answer.statusCode = 500;
        answer.end(String(error));
      });
    });
  }

  /** @param machines are closed with it */
  static async open<M extends Machines>(moto: string, machines: M): Promise<Account<M>> {
    const account = new Account(moto, machines);
    account.#keys = await generateKeyPair('ES384', { extractable: true });
    await new Promise<void>((resolve) => account.#server.listen(0, '127.0.0.1', resolve));
    account.url = `http://127.0.0.1:${(account.#server.address() as AddressInfo).port}`;
    return account;
  }

  /** As when the hardware below an instance fails: its power is cut, and EC2 shows it as ended. */
  async fail(instanceId: string): Promise<void> {
    await this.machines.off(instanceId);
    await this.#ec2.terminateInstances({ InstanceIds: [instanceId] });
  }

  get issuer(): string {
    return `${this.url}/issuer`;
  }

  /** For PATH of a launcher: session-manager-plugin is there. */
  pluginFolder(): string {
    const folder = join(this.machines.dir, 'plugin');
    const to = join(folder, 'session-manager-plugin');
    mkdirSync(folder, { recursive: true });
    copyFileSync(PLUGIN, to);
    return folder;
  }

  async close(): Promise<void> {
    this.#server.close();
    this.#server.closeAllConnections();
    await Promise.allSettled(this.#booting);
    await this.machines.close();
    this.#closeClient();
  }

  /** A token of STS for an instance, as anything that has the instance's role can ask for. */
  token(
    instanceId: string,
    audience: string,
    more: { issuer?: string; expires?: string; keys?: Keys['privateKey'] } = {},
  ): Promise<string> {
    const arn = `arn:aws:ec2:${REGION}:123456789012:instance/${instanceId}`;
    return new SignJWT({ 'https://sts.amazonaws.com/': { aws_account: '123456789012', ec2_source_instance_arn: arn } })
      .setProtectedHeader({ alg: 'ES384', kid: 'one' })
      .setIssuer(more.issuer ?? this.issuer)
      .setAudience(audience)
      .setSubject('arn:aws:iam::123456789012:role/devctl-box')
      .setIssuedAt()
      .setExpirationTime(more.expires ?? '15m')
      .sign(more.keys ?? this.#keys.privateKey);
  }

  async #answer(incoming: IncomingMessage, answer: ServerResponse): Promise<void> {
    const body = await bodyOf(incoming);
    const path = incoming.url ?? '/';
    const service = serviceOf(incoming.headers.authorization ?? '');
    if (service !== 'secretsmanager') this.seen.push(`${incoming.method} ${path}\n${JSON.stringify(incoming.headers)}\n${body.toString()}`);
    if (path.startsWith('/issuer/')) return this.#jwks(answer);
    if (path.startsWith('/metadata/')) return this.#metadata(path, incoming, answer);
    if (path.startsWith('/power-off/')) {
      await this.#ec2.terminateInstances({ InstanceIds: [path.slice('/power-off/'.length)] });
      await this.machines.off(path.slice('/power-off/'.length));
      return void answer.end();
    }
    const target = String(incoming.headers['x-amz-target'] ?? '').split('.')[1] ?? '';
    if (service === 'secretsmanager' && this.#refusesSecret(incoming, body, answer)) return;
    if (service === 'sts') return this.#sts(incoming, body, answer);
    if (service === 'lambda') return this.#invoke(incoming, body, answer);
    if (service === 'ssm' && (await this.#ssm(target, body, answer))) return;
    const reply = await this.#forward(incoming, path, body);
    if (service === 'ec2' && reply.status === 200) await this.#afterEc2(fieldsOf(body), reply.text);
    answer.writeHead(reply.status, { 'content-type': reply.type });
    answer.end(reply.text);
  }

  async #forward(incoming: IncomingMessage, path: string, body: Buffer): Promise<{ status: number; type: string; text: string }> {
    const headers: Record<string, string> = {};
    for (const [name, value] of Object.entries(incoming.headers))
      if (!['host', 'connection', 'content-length', 'expect'].includes(name)) headers[name] = String(value);
    const method = incoming.method ?? 'POST';
    const isOfTable = String(headers['x-amz-target'] ?? '').startsWith('DynamoDB_');
    const to = isOfTable && this.tablesUrl !== null ? this.tablesUrl : this.#moto;
    const reply = await fetch(`${to}${path}`, { method, headers, ...(method !== 'GET' && { body: new Uint8Array(body) }) });
    return { status: reply.status, type: reply.headers.get('content-type') ?? 'text/xml', text: await reply.text() };
  }

  /** What a call of EC2 does beyond records. */
  async #afterEc2(fields: Fields, text: string): Promise<void> {
    const action = fields.get('Action') ?? '';
    if (!action.startsWith('Describe')) this.calls.push(action);
    if (action === 'CreateLaunchTemplate')
      this.#userData = Buffer.from(fields.get('LaunchTemplateData.UserData') ?? '', 'base64').toString();
    if (action === 'CreateFleet') for (const id of idsOf(text, 'i')) await this.#workspaceOfFleet(id, fields);
    if (action === 'CreateSnapshot') this.machines.takeSnapshot(idsOf(text, 'snap')[0] ?? '', fields.get('VolumeId') ?? '');
    if (action === 'CreateVolume')
      this.machines.createVolume(idsOf(text, 'vol')[0] ?? '', fields.get('SnapshotId') ?? undefined, Number(fields.get('Size') ?? 0));
    if (action === 'AttachVolume') this.#boot(fields.get('InstanceId') ?? '', fields.get('VolumeId') ?? '');
    if (action === 'TerminateInstances' || action === 'StopInstances')
      for (const [name, id] of fields.all) if (name.startsWith('InstanceId')) await this.machines.off(id);
    if (action === 'StartInstances')
      for (const [name, id] of fields.all) if (name.startsWith('InstanceId')) this.#boot(id, await this.#volumeOf(id));
  }

  async #volumeOf(instanceId: string): Promise<string> {
    const { Reservations = [] } = await this.#ec2.describeInstances({ InstanceIds: [instanceId] });
    const disks = Reservations[0]?.Instances?.[0]?.BlockDeviceMappings ?? [];
    return disks.find(({ DeviceName }) => DeviceName === WORKSPACE_DEVICE)?.Ebs?.VolumeId ?? '';
  }

  /** The volume that a fleet was asked for with its machine: moto's fleets make none. */
  async #workspaceOfFleet(instanceId: string, fields: Fields): Promise<void> {
    const { Reservations = [] } = await this.#ec2.describeInstances({ InstanceIds: [instanceId] });
    const zone = Reservations[0]?.Instances?.[0]?.Placement?.AvailabilityZone ?? '';
    const ebs = (name: string) => fields.all.find(([key]) => key.includes('Overrides.1.') && key.endsWith(`.Ebs.${name}`))?.[1];
    const size = ebs('VolumeSize');
    if (size === undefined) return;
    const snapshot = ebs('SnapshotId');
    const tags = tagsFor('volume', fields);
    const { VolumeId: volume = '' } = await this.#ec2.createVolume({
      AvailabilityZone: zone,
      Size: Number(size),
      VolumeType: 'gp3',
      ...(snapshot && { SnapshotId: snapshot }),
      TagSpecifications: [{ ResourceType: 'volume', Tags: tags }],
    });
    this.machines.createVolume(volume, snapshot, Number(size));
    await this.#ec2.attachVolume({ VolumeId: volume, InstanceId: instanceId, Device: WORKSPACE_DEVICE });
    this.#boot(instanceId, volume);
  }

  #boot(instanceId: string, volumeId: string): void {
    const urls = { metadata: `${this.url}/metadata/${instanceId}`, aws: this.url, powerOff: `${this.url}/power-off/${instanceId}` };
    const booting = this.machines.boot(instanceId, volumeId, urls);
    this.#booting.add(booting);
    void booting.finally(() => this.#booting.delete(booting));
  }

  async #jwks(answer: ServerResponse): Promise<void> {
    const key = { ...(await exportJWK(this.#keys.publicKey)), kid: 'one', alg: 'ES384', use: 'sig' };
    answer.end(JSON.stringify({ keys: [key] }));
  }

  /** The metadata service of one instance: version 2 only. */
  async #metadata(url: string, { method, headers }: IncomingMessage, answer: ServerResponse): Promise<void> {
    const [, , instanceId = '', , ...rest] = url.split('/');
    const path = decodeURIComponent(rest.join('/'));
    const token = `session-${instanceId}`;
    const isAsked = path === 'api/token' && method === 'PUT' && Number(headers['x-aws-ec2-metadata-token-ttl-seconds']) > 0;
    if (!isAsked && headers['x-aws-ec2-metadata-token'] !== token) answer.statusCode = 401;
    if (isAsked || answer.statusCode === 401) return void answer.end(isAsked ? token : '');
    const text = await this.#metadatum(instanceId, path);
    answer.statusCode = text === null ? 404 : 200;
    answer.end(text ?? '');
  }

  async #metadatum(id: string, path: string): Promise<string | null> {
    const Expiration = new Date(Date.now() + 3_600_000).toISOString().replace(/\.\d+/, '');
    const role = { AccessKeyId: `ROLE${id}`, SecretAccessKey: `secret-of-${id}`, Token: `session-of-${id}`, Expiration };
    const notice = this.notices.get(id);
    switch (path) {
      case 'meta-data/instance-id':
        return id;
      case 'meta-data/placement/region':
        return REGION;
      case 'meta-data/iam/security-credentials/':
        return 'devctl-box';
      case 'meta-data/iam/security-credentials/devctl-box':
        return JSON.stringify({ Code: 'Success', ...role });
      case 'meta-data/spot/instance-action':
        return notice ? JSON.stringify({ action: 'terminate', time: notice.toISOString() }) : null;
      case 'user-data':
        return this.#userData;
      default:
        return this.#tag(id, path.slice('meta-data/tags/instance/'.length));
    }
  }

  async #tag(id: string, key: string): Promise<string | null> {
    const { Reservations = [] } = await this.#ec2.describeInstances({ InstanceIds: [id] });
    return Reservations[0]?.Instances?.[0]?.Tags?.find(({ Key }) => Key === key)?.Value ?? null;
  }

  async #sts(incoming: IncomingMessage, body: Buffer, answer: ServerResponse): Promise<void> {
    const fields = fieldsOf(body);
    const instanceId = /Credential=ROLE(i-[0-9a-f]+)\//.exec(incoming.headers.authorization ?? '')?.[1];
    if (fields.get('Action') !== 'GetWebIdentityToken' || instanceId === undefined) {
      const reply = await this.#forward(incoming, '/', body);
      answer.writeHead(reply.status, { 'content-type': reply.type });
      return void answer.end(reply.text);
    }
    const signedAt = Date.parse(
      String(incoming.headers['x-amz-date']).replace(/^(\d{4})(\d\d)(\d\dT\d\d)(\d\d)(\d\dZ)$/, '$1-$2-$3:$4:$5'),
    );
    if (!(Math.abs(Date.now() - signedAt) < SIGNATURE_HOLDS_MS)) {
      answer.writeHead(403, { 'content-type': 'text/xml' });
      const error = '<Code>SignatureDoesNotMatch</Code><Message>Signature expired</Message>';
      return void answer.end(`<ErrorResponse><Error><Type>Sender</Type>${error}</Error></ErrorResponse>`);
    }
    const token = await this.token(instanceId, fields.get('Audience.member.1') ?? '');
    const result = `<GetWebIdentityTokenResult><WebIdentityToken>${token}</WebIdentityToken></GetWebIdentityTokenResult>`;
    answer.writeHead(200, { 'content-type': 'text/xml' });
    answer.end(`<GetWebIdentityTokenResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">${result}</GetWebIdentityTokenResponse>`);
  }

  /** Source: Lambda API Reference, "Invoke": an event is queued, and nobody waits for what becomes of it. */
  #invoke({ url = '', headers }: IncomingMessage, body: Buffer, answer: ServerResponse): void {
    const name = /^\/2015-03-31\/functions\/([^/]+)\/invocations$/.exec(url)?.[1];
    answer.statusCode = name !== undefined && headers['x-amz-invocation-type'] === 'Event' ? 202 : 404;
    if (name !== undefined && answer.statusCode === 202) this.onInvoke(decodeURIComponent(name), JSON.parse(body.toString()));
    answer.end();
  }

  /** Policies are not moto's matter. */
  #refusesSecret(incoming: IncomingMessage, body: Buffer, answer: ServerResponse): boolean {
    const [, accessKeyId = '', region = ''] = /Credential=([^/]+)\/\d+\/([^/]+)\//.exec(incoming.headers.authorization ?? '') ?? [];
    const { SecretId: secretId } = JSON.parse(body.toString()) as { SecretId: string };
    this.secretReads.push({ secretId, accessKeyId, region });
    if (!this.denied.has(secretId)) return false;
    const message = `User: arn:aws:sts::123456789012:assumed-role/devctl-box is not authorized to perform: secretsmanager:GetSecretValue on resource: ${secretId}`;
    answer.writeHead(400, { 'content-type': 'application/x-amz-json-1.1' });
    answer.end(JSON.stringify({ __type: 'AccessDeniedException', Message: message }));
    return true;
  }

  /** @returns false for what moto answers itself */
  async #ssm(operation: string, body: Buffer, answer: ServerResponse): Promise<boolean> {
    const input = JSON.parse(body.toString() || '{}') as Record<string, never>;
    const reply = (value: unknown, status = 200) => {
      this.calls.push(operation);
      answer.writeHead(status, { 'content-type': 'application/x-amz-json-1.1' });
      answer.end(JSON.stringify(value));
      return true;
    };
    const refuse = (type: string) => reply({ __type: type, message: 'it is not connected' }, 400);
    if (operation === 'StartSession') {
      const port = this.machines.port(input['Target'] ?? '');
      if (port === null) return refuse('TargetNotConnected');
      return reply({ SessionId: `dev-${randomUUID()}`, TokenValue: `token-${randomUUID()}`, StreamUrl: `tcp://127.0.0.1:${port}` });
    }
    if (operation === 'TerminateSession') return reply({ SessionId: input['SessionId'] });
    if (operation === 'SendCommand') {
      const { InstanceIds: [id] = [], Parameters } = input as unknown as { InstanceIds: string[]; Parameters: { commands: string[] } };
      if (this.machines.port(id ?? '') === null) return refuse('InvalidInstanceId');
      const CommandId = randomUUID();
      this.#run(CommandId, id ?? '', Parameters.commands.join('\n'));
      return reply({ Command: { CommandId, Status: 'Pending' } });
    }
    if (operation === 'GetCommandInvocation') {
      const found = this.#invocations.get(input['CommandId'] ?? '');
      if (found === undefined) return reply({ __type: 'InvocationDoesNotExist', message: '' }, 400);
      const cut = (text: string) => text.slice(0, 24_000);
      return reply({
        CommandId: input['CommandId'],
        InstanceId: input['InstanceId'],
        Status: found.status,
        StatusDetails: found.status,
        ResponseCode: found.code,
        StandardOutputContent: cut(found.stdout),
        StandardErrorContent: cut(found.stderr),
      });
    }
    return false;
  }

  #run(commandId: string, instanceId: string, line: string): void {
    this.#invocations.set(commandId, { status: 'InProgress', code: -1, stdout: '', stderr: '' });
    void this.machines.shell(instanceId, line).then(
      (result) => this.#invocations.set(commandId, { status: result.code === 0 ? 'Success' : 'Failed', ...result }),
      (error: unknown) => this.#invocations.set(commandId, { status: 'Failed', code: 1, stdout: '', stderr: String(error) }),
    );
  }
}

async function bodyOf(incoming: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks);
}

const serviceOf = (authorization: string): string => /Credential=[^/]+\/\d+\/[^/]+\/([a-z0-9-]+)\//.exec(authorization)?.[1] ?? '';

function fieldsOf(body: Buffer): Fields {
  const fields = new URLSearchParams(body.toString());
  return { get: (name) => fields.get(name), all: [...fields] };
}

const idsOf = (xml: string, kind: 'i' | 'vol' | 'snap'): string[] => [
  ...new Set(xml.match(new RegExp(`\\b${kind}-[0-9a-f]{8,17}\\b`, 'g')) ?? []),
];

function tagsFor(kind: string, { all }: Fields): { Key: string; Value: string }[] {
  const at = all.find(([key, value]) => /^TagSpecification\.\d+\.ResourceType$/.test(key) && value === kind)?.[0].split('.')[1];
  const value = (name: string) => all.find(([key]) => key === name)?.[1] ?? '';
  return all
    .filter(([key]) => new RegExp(`^TagSpecification\\.${at}\\.Tag\\.\\d+\\.Key$`).test(key))
    .map(([key, name]) => ({ Key: name, Value: value(key.replace(/Key$/, 'Value')) }));
}
