import { lstatSync } from 'node:fs';
import { type IncomingMessage, request } from 'node:http';

const ANSWER_MS = 3_000;
const ANSWER_MAX_BYTES = 2 * 1024 ** 2;
const CONTAINERS_MAX = 200;
const ID = /^[0-9a-f]{12,64}$/;
/** Of what SIGKILL has ended. */
const KILLED_CODE = 137;
const SOCKET = 'unix://';

export interface Container {
  id: string;
  name: string;
  /** Compose project that it belongs to. */
  project: string | null;
}

/**
 * The box's own Docker, by its API. It is the workload's: what it says is read within bounds, and nothing of it is done to
 * anything else. Source: Docker Engine API v1.43 (GET /containers/json, POST /containers/{id}/stop and /wait).
 */
export class Docker {
  readonly #socketPath: string;

  /** @param host value of DOCKER_HOST @returns null where it names no socket of this machine */
  static at(host: string | undefined): Docker | null {
    return host?.startsWith(SOCKET) ? new Docker(host.slice(SOCKET.length)) : null;
  }

  private constructor(socketPath: string) {
    this.#socketPath = socketPath;
  }

  /** Something listens, or did. A link is not followed: it could lead to what is not the workload's. */
  get isThere(): boolean {
    try {
      return lstatSync(this.#socketPath).isSocket();
    } catch {
      return false;
    }
  }

  /** Containers that run. @throws Error when it does not answer in time, or not as it should */
  async running(): Promise<Container[]> {
    return parseContainers(await this.#ask('GET', '/v1.41/containers/json', ANSWER_MS));
  }

  /** Asks a container to end, and kills it when it has not after `graceS`. @returns whether it ended by itself @throws Error as above */
  async stop({ id }: Container, graceS: number): Promise<boolean> {
    const timeoutMs = graceS * 1000 + ANSWER_MS;
    // Asked first: one that is removed as it ends says nothing afterwards.
    const ended = this.#ask('POST', `/v1.41/containers/${id}/wait`, timeoutMs).then(exitCodeOf, () => null);
    await this.#ask('POST', `/v1.41/containers/${id}/stop?t=${graceS}`, timeoutMs);
    return (await ended) !== KILLED_CODE;
  }

  #ask(method: string, path: string, timeoutMs: number): Promise<string> {
    return new Promise((resolve, reject) => {
      const options = { socketPath: this.#socketPath, method, path, headers: { host: 'docker' }, signal: AbortSignal.timeout(timeoutMs) };
      const outgoing = request(options, (answer) => {
        const ok = (answer.statusCode ?? 500) < 400;
        readText(answer).then((text) => (ok ? resolve(text) : reject(new Error(`Docker answered ${answer.statusCode}`))), reject);
      });
      outgoing.on('error', reject);
      outgoing.end();
    });
  }
}

async function readText(answer: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > ANSWER_MAX_BYTES) throw new Error(`Docker said more than ${ANSWER_MAX_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

function exitCodeOf(text: string): number | null {
  const { StatusCode: code } = JSON.parse(text) as { StatusCode?: unknown };
  return typeof code === 'number' ? code : null;
}

/** What of a list of containers is as it should be. @throws SyntaxError */
export function parseContainers(text: string): Container[] {
  const list: unknown = JSON.parse(text);
  if (!Array.isArray(list)) return [];
  return list.slice(0, CONTAINERS_MAX).flatMap((item: { Id?: unknown; Names?: unknown; Labels?: Record<string, unknown> } | null) => {
    const id = item?.Id;
    if (typeof id !== 'string' || !ID.test(id)) return [];
    const [first] = Array.isArray(item?.Names) ? item.Names : [];
    const project = item?.Labels?.['com.docker.compose.project'];
    const name = typeof first === 'string' ? first.replace(/^\//, '') : id.slice(0, 12);
    return [{ id, name: name.slice(0, 100), project: typeof project === 'string' ? project.slice(0, 100) : null }];
  });
}

/** Compose projects that are up, in words; null when there is none. */
export function projectsIn(containers: readonly Container[]): string | null {
  const counts = new Map<string, number>();
  for (const { project } of containers) if (project !== null) counts.set(project, (counts.get(project) ?? 0) + 1);
  if (counts.size === 0) return null;
  return [...counts].map(([project, count]) => `${project} (${count === 1 ? '1 container' : `${count} containers`})`).join(', ');
}
