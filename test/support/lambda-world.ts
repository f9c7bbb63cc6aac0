import { randomUUID } from 'node:crypto';
import { PassThrough } from 'node:stream';
import type { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import type { StorePort } from '../../launcher/ports/store.ts';
import type { Surroundings } from '../../launcher/serve/lambda/aws.ts';
import { handleEvent } from '../../launcher/serve/lambda/events.ts';
import { apiHandler } from '../../launcher/serve/lambda/function-url.ts';
import { type LambdaParts, openLambda, servedBy } from '../../launcher/serve/lambda/parts.ts';
import type { LambdaContext, ResponseHead } from '../../launcher/serve/lambda/runtime.ts';
import { type LambdaSettings, type LambdaSettingsInput, readLambdaSettings } from '../../launcher/serve/lambda-settings.ts';
import { ACCOUNT } from '../sim/catalog.ts';
import { DEPLOYMENT, IMAGE_PARAMETERS, SimulatedChannel, stackOn, TEMPLATE_NAMES } from '../sim/ec2-subject.ts';
import { SimulatedMachine } from '../sim/simulated-machine.ts';
import { SimulatedAws } from '../sim/world.ts';
import { SeededRandom } from './faults.ts';
import { eventOf, type IamBlock, iamBlock, RUNTIME } from './function-url.ts';
import type { Database } from './table.ts';

const BEAT_MS = 2000;
const MINUTE_MS = 60_000;

/** One process of a function: what it calls after its death gets no answer. */
interface Environment {
  dead: boolean;
  parts: LambdaParts;
  around: Surroundings;
}

export interface Said {
  status: number;
  body: Record<string, unknown>;
}

const nobody = async (): Promise<never> => {
  throw new Error('nobody reaches into a simulated box');
};

/**
 * The launcher as it is in Lambda, over the real store code and the real provider, in a simulated account: functions are run for
 * requests, for events of AWS and once a minute, as many at once as it takes, and nothing lives on between them.
 */
export class LambdaWorld {
  readonly settings: LambdaSettings;
  readonly lines: Array<Record<string, unknown>> = [];
  /** What functions failed with. */
  readonly failures: unknown[] = [];
  /** Time of a function. */
  timeoutMs = 300_000;
  /** Runs of the function of events that are lost on their way. */
  loseInvokes = false;
  /** Events of AWS come. */
  hearsAws = true;
  ticks = true;
  /** The process that makes this call, counted from the beginning, dies of it: before or after it. */
  crash: { at: number; after: boolean } | null = null;
  calls = 0;
  crashes = 0;
  readonly invoked: object[] = [];
  readonly #idle: { api: Environment[]; events: Environment[] } = { api: [], events: [] };
  readonly #registered = new Set<string>();

  private constructor(
    readonly aws: SimulatedAws,
    readonly store: StorePort,
    readonly dynamo: DynamoDBClient,
    table: string,
    patch: Partial<LambdaSettingsInput>,
  ) {
    const input: LambdaSettingsInput = {
      deployment: DEPLOYMENT,
      region: aws.region,
      table,
      subnets: [...aws.cloud.catalog.subnets.values()].map(({ id, az }) => ({ id, az })),
      launchTemplates: TEMPLATE_NAMES,
      imageParameters: IMAGE_PARAMETERS,
      masterSecret: `arn:aws:secretsmanager:${aws.region}:${ACCOUNT}:secret:${DEPLOYMENT}/launcher-AbCdEf`,
      eventsFunction: `${DEPLOYMENT}-events`,
      boxRole: `${DEPLOYMENT}-box`,
      adminRole: `${DEPLOYMENT}-admin`,
      volumeGiB: 10,
      ttl: '72h',
      ...patch,
    };
    this.settings = readLambdaSettings({ DEVCTL_SETTINGS: JSON.stringify(input) });
    aws.cloud.events.subscribe((event) => {
      if (this.hearsAws) this.run(event);
    });
    this.clock.every(MINUTE_MS, () => {
      if (this.ticks) this.run(this.scheduled());
    });
    this.clock.every(BEAT_MS, () => this.#beat());
  }

  /** @param isNew the table has never been compared with what there is */
  static async open(database: Database, patch: Partial<LambdaSettingsInput> = {}, isNew = false): Promise<LambdaWorld> {
    const aws = new SimulatedAws({ boot: SimulatedMachine.boot() });
    aws.cloud.pools.quotas.spotVcpus = 64;
    await stackOn(aws);
    const { store, tableName } = await database.open(aws.cloud.clock, new SeededRandom(3));
    if (!isNew) await store.vouch();
    return new LambdaWorld(aws, store, database.client, tableName, patch);
  }

  get clock() {
    return this.aws.cloud.clock;
  }

  scheduled(): object {
    return this.envelope('Scheduled Event', [`arn:aws:events:${this.aws.region}:${ACCOUNT}:rule/${DEPLOYMENT}-tick`], {}, 'aws.events');
  }

  envelope(type: string, resources: string[], detail: object, source = 'aws.ec2'): Record<string, unknown> {
    const time = new Date(this.clock.now()).toISOString().replace(/\.\d+Z$/, 'Z');
    return {
      version: '0',
      id: randomUUID(),
      'detail-type': type,
      source,
      account: ACCOUNT,
      time,
      region: this.aws.region,
      resources,
      detail,
    };
  }

  /** Has the function of events run, now; the promise is for who wants to wait for it. */
  run(event: unknown): Promise<void> {
    return this.#invoke('events', (environment, context) => {
      const { parts, around } = environment;
      return handleEvent({ parts, around, settings: this.settings }, event, context);
    }).then(
      () => undefined,
      (error: unknown) => void this.failures.push(error),
    );
  }

  /** A request of somebody, which is repeated with its key when no answer comes. */
  async ask(iam: IamBlock, method: string, path: string, body?: object, headers: Record<string, string> = {}): Promise<Said> {
    const key = randomUUID();
    return this.clock.run(async () => {
      for (let tries = 0; tries < 5; tries += 1) {
        const said = await this.#request(iam, method, path, body, { ...(method === 'POST' && { 'idempotency-key': key }), ...headers });
        if (said !== null) return said;
        await this.clock.sleep(1000);
      }
      throw new Error(`${method} ${path} is never answered`);
    });
  }

  /** Time goes by until it is so. */
  async until(isSo: () => Promise<boolean>, what: string, limitMs = 60 * MINUTE_MS): Promise<void> {
    const endMs = this.clock.now() + limitMs;
    while (!(await isSo())) {
      if (this.clock.now() > endMs)
        throw new Error(
          `it does not come about: ${what}\n${this.lines
            .slice(-20)
            .map((line) => JSON.stringify(line))
            .join('\n')}`,
        );
      await this.clock.pass(500);
    }
  }

  async phase(owner: string, id: string, phase: string): Promise<void> {
    await this.until(async () => (await this.store.getSession({ owner, id }))?.phase === phase, `${id} is ${phase}`);
  }

  /** How often CloudWatch was told. */
  told(name: string): number {
    return this.lines.reduce((sum, line) => sum + (typeof line[name] === 'number' && '_aws' in line ? (line[name] as number) : 0), 0);
  }

  machines(): SimulatedMachine[] {
    const alive = this.aws.cloud.instances.all().filter(({ state }) => state === 'running');
    return alive.map(({ id }) => this.aws.machineOf(id)).filter((machine) => machine instanceof SimulatedMachine);
  }

  async #request(
    iam: IamBlock,
    method: string,
    path: string,
    body: object | undefined,
    headers: Record<string, string>,
  ): Promise<Said | null> {
    const text = body === undefined ? '' : JSON.stringify(body);
    const sent = { host: 'abc.lambda-url.us-east-1.on.aws', ...(text !== '' && { 'content-type': 'application/json' }), ...headers };
    const event = eventOf({ method, url: path, headers: sent }, Buffer.from(text), iam);
    let head: ResponseHead | null = null;
    const chunks: Buffer[] = [];
    const stream = Object.assign(new PassThrough(), {
      onHead(told: ResponseHead) {
        head = told;
      },
    });
    stream.on('data', (chunk: Buffer) => void chunks.push(chunk));
    try {
      await this.#invoke('api', ({ parts }, context) => apiHandler(RUNTIME, async () => servedBy(parts))(event, stream, context));
    } catch {
      return null;
    }
    const { statusCode: status } = head as unknown as ResponseHead;
    const answer = Buffer.concat(chunks).toString();
    return { status, body: answer === '' ? {} : JSON.parse(answer) };
  }

  /** Runs a function in a process that has nothing else to do; one that takes too long, or dies, is never heard of again. */
  async #invoke(kind: 'api' | 'events', work: (environment: Environment, context: LambdaContext) => Promise<void>): Promise<void> {
    const environment = this.#idle[kind].pop() ?? (await this.#open());
    const endMs = this.clock.now() + this.timeoutMs;
    const context = { awsRequestId: randomUUID(), getRemainingTimeInMillis: () => Math.max(0, endMs - this.clock.now()) };
    let cancel = () => {};
    const over = new Promise<never>((_, reject) => {
      cancel = this.clock.after(this.timeoutMs, () => {
        environment.dead = true;
        reject(new Error('Task timed out'));
      });
      this.#deaths.set(environment, reject);
    });
    try {
      await Promise.race([work(environment, context), over]);
    } finally {
      cancel();
      this.#deaths.delete(environment);
      if (!environment.dead) this.#idle[kind].push(environment);
    }
  }

  readonly #deaths = new Map<Environment, (error: Error) => void>();

  async #open(): Promise<Environment> {
    const environment = { dead: false } as Environment;
    environment.around = this.#aroundOf(environment);
    environment.parts = await openLambda(this.settings, environment.around);
    return environment;
  }

  #aroundOf(environment: Environment): Surroundings {
    const alive = <T extends object>(port: T, isOutside = false): T =>
      new Proxy(port, {
        get: (target, name) => {
          const value: unknown = Reflect.get(target, name);
          if (typeof value !== 'function') return value;
          const call = async (...args: unknown[]) => (value as (...args: unknown[]) => unknown).apply(target, args);
          return (...args: unknown[]) =>
            this.#counted(environment, () => (isOutside ? this.clock.outside(() => call(...args)) : call(...args)));
        },
      });
    const channel = new SimulatedChannel(this.aws);
    const poke = async ({ boxId }: { boxId: string }) => (this.aws.machineOf(boxId) as SimulatedMachine | null)?.reopen();
    const access = { exec: nobody, putFiles: nobody, getFiles: nobody, importSource: nobody, logs: nobody, poke };
    return {
      ec2: alive(this.aws.ec2),
      ssm: alive(this.aws.ssm),
      dynamo: alive(this.dynamo, true),
      functions: {
        invokeLater: (name, payload) => this.#counted(environment, async () => this.#invokeLater(name, payload)),
        secretText: async () => 'a secret that Secrets Manager has made up for this stack',
      },
      reach: () => ({ channel, access, close: async () => {} }),
      time: this.clock,
      write: (line) => void this.lines.push(JSON.parse(line)),
    };
  }

  #invokeLater(name: string, payload: object): void {
    if (name !== this.settings.eventsFunction) throw new Error(`there is no function ${name}`);
    this.invoked.push(payload);
    if (this.loseInvokes) throw Object.assign(new Error('Rate Exceeded.'), { name: 'TooManyRequestsException' });
    this.clock.after(50, () => void this.run(payload));
  }

  /** A call of a process: the last one that it makes, if it is the one that it dies of. */
  async #counted<T>(environment: Environment, call: () => Promise<T>): Promise<T> {
    if (environment.dead) return new Promise(() => {});
    this.calls += 1;
    const dies = this.crash?.at === this.calls;
    if (dies && !this.crash?.after) return this.#die(environment);
    const answer = await call();
    if (environment.dead || !dies) return environment.dead ? new Promise(() => {}) : answer;
    return this.#die(environment);
  }

  #die(environment: Environment): Promise<never> {
    environment.dead = true;
    this.crashes += 1;
    this.#deaths.get(environment)?.(new Error('the process has died'));
    return new Promise(() => {});
  }

  /** Each box reports as its agent would, with the signature of its instance's role. */
  #beat(): void {
    for (const machine of this.machines()) {
      if (machine.state === 'waiting' || machine.state === 'off') continue;
      const { host } = machine;
      const tags = host.imds.tags();
      const [owner, sessionId, generation] = ['owner', 'session', 'generation'].map((name) => tags[`devctl:${name}`]);
      if (owner === undefined || sessionId === undefined) continue;
      const iam = iamBlock(`assumed-role/${this.settings.boxRole}/${host.instanceId}`, ACCOUNT);
      const box = `${sessionId} ${generation}`;
      const who = { sessionId, generation: Number(generation) };
      const headers = { 'devctl-owner': owner };
      const state = machine.state === 'quiet' ? 'quiesced' : 'ready';
      const notice = host.imds.instanceAction();
      const taken = notice && { interruptionInMs: Math.max(0, Date.parse(notice.time) - this.clock.now()) };
      const say = this.#registered.has(box)
        ? this.#request(iam, 'POST', '/boxes/heartbeat', { ...who, state, contentPresent: false, evidence: [], ...taken }, headers)
        : this.#request(iam, 'POST', '/boxes/register', { ...who, agentVersion: '1', bootId: 'b', fileSystem: 'workspace' }, headers);
      void say.then((said) => {
        if (said?.status !== 200) return;
        this.#registered.add(box);
        if (said.body['state'] === 'work') machine.reopen();
      });
    }
  }
}
