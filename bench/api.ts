import { randomUUID } from 'node:crypto';
import { Agent, request } from 'node:http';
import type { Context } from './context.ts';
import { type DryServer, startDryServer } from './dry-client.ts';
import { type Batch, inParallel } from './dry-protocol.ts';
import { interleave, type Row, ratiosOf, rowOf, type Section, type Subject } from './measure.ts';

const GET = 'GET /sessions/{id}';
const POST = 'POST /sessions';
const HEALTH = 'GET /healthz';
const RAW_GET = 'GetItem alone';
const RAW_PUT = 'PutItem alone';
const PARALLEL = 8;
/** Sessions of one owner: within the ordinary quota, and so that no row grows beyond what it is in use. */
const PER_OWNER = 8;

/** Requests over HTTP with a provider that makes nothing, against the calls of the same store alone. */
export async function apiSection({ root, quick }: Context): Promise<Section> {
  const server = await startDryServer(root);
  const agent = new Agent({ keepAlive: true, maxSockets: PARALLEL });
  const posting = new Posting(server, agent);
  try {
    const [token, id] = await posting.first();
    const batches = quick ? { get: 50, post: 16, rounds: 2 } : { get: 500, post: 80, rounds: 6 };
    const latencies = new Map<string, number[]>();
    const subject = (name: string, batch: () => Promise<Batch>): Subject => ({
      name,
      async once() {
        const { tookMs, latenciesMs } = await batch();
        latencies.set(name, [...(latencies.get(name) ?? []), ...latenciesMs]);
        return latenciesMs.length / (tookMs / 1000);
      },
    });
    const ask = { agent, url: server.url, token };
    const rates = await interleave(
      [
        subject(GET, () => inParallel(batches.get, PARALLEL, () => send(ask, 'GET', `/sessions/${id}`))),
        subject(HEALTH, () => inParallel(batches.get, PARALLEL, () => send(ask, 'GET', '/healthz'))),
        subject(RAW_GET, () => server.ask('raw', { kind: 'get', count: batches.get, parallel: PARALLEL })),
        subject(POST, () => posting.batch(batches.post)),
        subject(RAW_PUT, () => server.ask('raw', { kind: 'put', count: batches.post, parallel: PARALLEL })),
      ],
      batches.rounds,
      'op/s',
    );
    const rows: Row[] = [...rates, ...[...latencies].map(([name, samples]) => rowOf(`${name}: latency`, samples))];
    const ratios = ratiosOf(rates, [
      [GET, HEALTH],
      [GET, RAW_GET],
      [POST, RAW_PUT],
    ]);
    return {
      title: 'The API',
      rows,
      ratios,
      notes: [
        `${PARALLEL} requests at a time over kept-alive connections; every write of the store is fsynced. A higher ratio is better here. ${HEALTH} is what HTTP itself costs.`,
        posting.note(),
      ],
      missing: [],
    };
  } finally {
    agent.destroy();
    await server.stop();
  }
}

/** New sessions, each in a new workspace. The controller is let finish what a batch gave it to do before the next one. */
class Posting {
  readonly #server: DryServer;
  readonly #agent: Agent;
  readonly #calls = { reads: 0, writes: 0, posts: 0 };
  #posts = 0;

  constructor(server: DryServer, agent: Agent) {
    this.#server = server;
    this.#agent = agent;
  }

  /** A session to ask for, and the token of its owner. */
  async first(): Promise<[token: string, id: string]> {
    const { tokens } = await this.#server.ask('owners', { count: 1 });
    const token = tokens[0] ?? '';
    const { id } = JSON.parse(await this.#post(token)) as { id: string };
    await this.#server.ask('settle', { launches: this.#posts });
    return [token, id];
  }

  async batch(count: number): Promise<Batch> {
    const { tokens } = await this.#server.ask('owners', { count: Math.ceil(count / PER_OWNER) });
    await this.#server.ask('calls', null);
    const batch = await inParallel(count, PARALLEL, (index) => this.#post(tokens[Math.floor(index / PER_OWNER)] ?? ''));
    await this.#server.ask('settle', { launches: this.#posts });
    const { reads, writes } = await this.#server.ask('calls', null);
    this.#calls.reads += reads;
    this.#calls.writes += writes;
    this.#calls.posts += count;
    return batch;
  }

  #post(token: string): Promise<string> {
    this.#posts += 1;
    const ask = { agent: this.#agent, url: this.#server.url, token };
    return send(ask, 'POST', '/sessions', JSON.stringify({ workspace: `dry-${this.#posts}` }));
  }

  note(): string {
    const { reads, writes, posts } = this.#calls;
    const each = (calls: number) => (calls / Math.max(1, posts)).toFixed(1);
    return `For each new session, with what the controller does for all of those that wait for their box: ${each(reads)} reads and ${each(writes)} writes of the table.`;
  }
}

interface Ask {
  agent: Agent;
  url: string;
  token: string;
}

/** One request and its whole answer. @throws Error when it is not a good one */
function send({ agent, url, token }: Ask, method: 'GET' | 'POST', path: string, body?: string): Promise<string> {
  const headers = {
    authorization: `Bearer ${token}`,
    ...(body !== undefined && {
      'content-type': 'application/json',
      'content-length': String(Buffer.byteLength(body)),
      'idempotency-key': randomUUID(),
    }),
  };
  return new Promise((resolve, reject) => {
    const outgoing = request(`${url}${path}`, { agent, method, headers }, (answer) => {
      let text = '';
      answer.setEncoding('utf8');
      answer.on('data', (part: string) => {
        text += part;
      });
      answer.on('error', reject);
      answer.on('end', () => {
        if ((answer.statusCode ?? 500) < 300) resolve(text);
        else reject(new Error(`${method} ${path}: ${answer.statusCode} ${text}`));
      });
    });
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}
