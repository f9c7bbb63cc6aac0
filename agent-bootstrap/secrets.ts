import { join } from 'node:path';
import type { BoxConfig } from '../launcher/contract/agent-config.ts';
import type { Orders } from '../launcher/contract/box.ts';
import { DevctlError } from '../launcher/contract/errors.ts';
import type { ExecStart } from '../launcher/contract/exec-messages.ts';
import { parseSecretReference, type Secret } from '../launcher/contract/secrets.ts';
import { readNote, writeNote } from './notes.ts';
import type { MachineRole } from './ports.ts';
import { assertInMemory, SecretFiles } from './secret-files.ts';
import type { SecretMask } from './secret-mask.ts';

/** What a command has beside its own environment. */
interface ForCommand {
  /** Below what it was given: the way to the credentials of the box's role. */
  lent: Record<string, string>;
  /** Above it. */
  secret: Record<string, string>;
}

interface SecretsDeps {
  /** Its files are for `user`, where there is one; else for the agent's own. */
  config: Pick<BoxConfig, 'paths' | 'sessionId' | 'generation'> & { user?: { uid: number; gid: number } | null };
  /** Null: the machine has none. */
  role: MachineRole | null;
  /** What the launcher said last. */
  orders: () => Orders | null;
  mask: SecretMask;
}

/** What a command of this session may have of secrets: each is read when a command names it, for that command. */
export class Secrets {
  readonly #deps: SecretsDeps;
  readonly #files: SecretFiles;

  constructor(deps: SecretsDeps) {
    this.#deps = deps;
    this.#files = new SecretFiles({ folder: join(deps.config.paths.run, 'secrets'), user: deps.config.user ?? null });
    this.#removeLeft();
  }

  /** Reads what a command names, and puts what it wants as files in place. @throws DevctlError not_found, secret_unavailable, unsupported */
  async forCommand({ secrets = [], secretFiles = [] }: Pick<ExecStart, 'secrets' | 'secretFiles'>): Promise<ForCommand> {
    const { role, orders, config } = this.#deps;
    const wanted = [...new Set([...secrets, ...secretFiles])].map((name) => this.#named(name));
    // The variables of another user's command are handed over in a file there.
    if (wanted.length > 0 && config.user) assertInMemory(config.paths.run);
    const values = new Map<string, Buffer>();
    await Promise.all(wanted.map(async (secret) => values.set(secret.name, await this.#read(secret))));
    const secret: Record<string, string> = {};
    for (const name of secrets) secret[name] = textFor(name, values.get(name) as Buffer);
    for (const name of secretFiles) secret[`${name}_FILE`] = this.#files.put(name, values.get(name) as Buffer);
    const lent = orders()?.awsCredentials === true && role !== null ? await role.lend() : {};
    return { lent, secret };
  }

  /** The box is being saved, and nothing of the workload runs. */
  clear(): void {
    this.#files.removeAll();
  }

  #named(name: string): Secret {
    const known = this.#deps.orders()?.secrets ?? [];
    const found = known.find((secret) => secret.name === name);
    if (found !== undefined) return found;
    const has = known.length === 0 ? 'it has none' : `it has ${known.map((secret) => secret.name).join(', ')}`;
    throw new DevctlError('not_found', `this session has no secret ${name}: ${has}`, {
      hint: `devctl up --secret ${name}=ARN names it when a session begins; see devctl status`,
    });
  }

  async #read({ name, valueFrom }: Secret): Promise<Buffer> {
    const { role, mask } = this.#deps;
    if (role === null) throw new DevctlError('unsupported', `this box has no role to read secret ${name} with`);
    const reference = parseSecretReference(valueFrom);
    if (typeof reference === 'string') throw new DevctlError('secret_unavailable', `secret ${name} ${reference}`);
    const value = await role.readSecret(name, reference);
    mask.learn(value);
    return value;
  }

  /** What an agent of another generation put there. The workload of this one may still use what the agent before gave it. */
  #removeLeft(): void {
    const { config } = this.#deps;
    const note = join(config.paths.run, 'agent', 'secrets-of');
    const own = `${config.sessionId} ${config.generation}`;
    if (readNote<string>(note) === own) return;
    this.#files.removeFiles();
    writeNote(note, own);
  }
}

/** @throws DevctlError secret_unavailable for what cannot be a variable */
function textFor(name: string, value: Buffer): string {
  const text = value.toString();
  if (!text.includes('\0') && Buffer.from(text).equals(value)) return text;
  throw new DevctlError('secret_unavailable', `secret ${name} is binary, which a variable cannot be`, {
    hint: `use --secret-file ${name}`,
  });
}
