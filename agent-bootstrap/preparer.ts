import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { BoxConfig } from '../launcher/contract/agent-config.ts';
import type { Heartbeat, Orders } from '../launcher/contract/box.ts';
import { cloneArgv, cloneEnv } from './clone.ts';
import type { EvidenceLog } from './evidence-log.ts';
import { writeDurably } from './journal.ts';
import { createHash } from './lazy-crypto.ts';
import type { Log } from './ports.ts';
import type { SecretMask } from './secret-mask.ts';
import type { BoxState } from './state.ts';

const SETUP_SCRIPT = '.devctl/setup.sh';
/** What a setup script may write into the box's log. */
const SETUP_LOG_MAX_BYTES = 8 * 1024 ** 2;
const TAIL_CHARS = 1_500;

type Failure = NonNullable<Heartbeat['failure']>;

interface PreparerDeps {
  config: BoxConfig;
  box: BoxState;
  evidence: EvidenceLog;
  /** For what a program says: it goes to the log. */
  mask: SecretMask;
  log: Log;
}

/** Fetches the source and runs the setup script, when orders say so: each once, however often they say it. */
export class Preparer {
  readonly #deps: PreparerDeps;
  #running = false;
  /** A program of it runs. */
  #busy = false;
  /** Orders that have failed in this box: they are not tried again by themselves. */
  readonly #failed = new Set<string>();
  #stage: 'clone' | 'setup' = 'clone';

  constructor(deps: PreparerDeps) {
    this.#deps = deps;
    // Left by an agent that was killed in the middle.
    for (const name of readdirSync(this.#stateDir)) {
      if (/^(clone|import|put)-/.test(name)) rmSync(join(this.#stateDir, name), { recursive: true, force: true });
    }
  }

  get #src(): string {
    return join(this.#deps.config.paths.workspace, 'src');
  }
  get #stateDir(): string {
    return join(this.#deps.config.paths.workspace, '.devctl-box');
  }

  contentPresent(): boolean {
    return existsSync(this.#src) && readdirSync(this.#src).length > 0;
  }

  /** Notes that something is being prepared, while it is. */
  sample(): void {
    if (this.#busy) this.#deps.evidence.note('setup', this.#stage === 'clone' ? 'fetching the source' : `running ${SETUP_SCRIPT}`);
  }

  obey(orders: Orders): void {
    if (this.#running) return;
    this.#running = true;
    void this.#obey(orders)
      .catch((error: unknown) => this.#fail({ code: 'setup_failed', detail: String(error) }, 'unexpected'))
      .finally(() => {
        this.#running = false;
      });
  }

  async #obey({ clone, runSetup }: Orders): Promise<void> {
    const { box } = this.#deps;
    if (clone && !this.contentPresent()) {
      const key = `clone ${clone.url} ${clone.ref ?? ''}`;
      if (this.#failed.has(key)) return;
      const failure = await this.#clone(clone);
      if (failure) return this.#fail(failure, key);
    }
    if (runSetup && this.#setupIsDue()) {
      const failure = await this.#setup();
      if (failure) return this.#fail(failure, this.#setupKey());
    }
    if (box.state === 'preparing' && box.open) box.change({ state: 'ready', progress: undefined });
  }

  #fail(failure: Failure, key: string): void {
    this.#failed.add(key);
    this.#deps.log(`${failure.code}: ${failure.detail.split('\n').at(-1)}`);
    this.#deps.box.change({ failure: { code: failure.code, detail: failure.detail.slice(-2_000) } });
  }

  async #clone(source: NonNullable<Orders['clone']>): Promise<Failure | null> {
    this.#stage = 'clone';
    const { config, log } = this.#deps;
    const staging = join(this.#stateDir, `clone-${process.pid}-${Date.now()}`);
    log(`cloning ${source.url}`);
    const child = spawn('git', cloneArgv(source, staging), {
      env: cloneEnv(config.env),
      cwd: this.#stateDir,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const { code, tail } = await this.#follow(child);
    if (code !== 0) {
      rmSync(staging, { recursive: true, force: true });
      const full = /No space left on device/.test(tail);
      return {
        code: full ? 'disk_full' : 'source_unavailable',
        detail: `git clone ${source.url} failed (${code}): ${without(tail, staging)}`,
      };
    }
    // Onto the empty folder: the kernel refuses when something has come into it meanwhile.
    renameSync(staging, this.#src);
    return null;
  }

  /** Once per workspace and text of the script, unless it failed; not again in a box in which it failed. */
  #setupIsDue(): boolean {
    if (!statSync(join(this.#src, SETUP_SCRIPT), { throwIfNoEntry: false })?.isFile()) return false;
    const key = this.#setupKey();
    const done = join(this.#stateDir, 'setup-done');
    return !this.#failed.has(key) && !(existsSync(done) && readFileSync(done, 'utf8') === key);
  }

  #setupKey(): string {
    return createHash('sha256')
      .update(readFileSync(join(this.#src, SETUP_SCRIPT)))
      .digest('hex');
  }

  async #setup(): Promise<Failure | null> {
    this.#stage = 'setup';
    const { config, log } = this.#deps;
    const script = join(this.#src, SETUP_SCRIPT);
    const key = this.#setupKey();
    log(`running ${SETUP_SCRIPT}`);
    // By its first line when it is a program, else by the shell.
    const [file, args] = (statSync(script).mode & 0o111) !== 0 ? [script, []] : ['/bin/sh', [script]];
    mkdirSync(config.env['HOME'] ?? this.#src, { recursive: true });
    const child = spawn(file as string, args as string[], {
      cwd: this.#src,
      env: config.env,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const { code, tail } = await this.#follow(child);
    if (code !== 0) return { code: 'setup_failed', detail: `${SETUP_SCRIPT} ended with ${code}: ${tail.trim()}` };
    writeDurably(join(this.#stateDir, 'setup-done'), key);
    log(`${SETUP_SCRIPT} is done`);
    return null;
  }

  /** Passes the output of a program on to the box's log, and its latest line to the owner. */
  #follow(child: ChildProcess): Promise<{ code: number | string; tail: string }> {
    let tail = '';
    let logged = 0;
    const said = this.#deps.mask.lines((text) => process.stdout.write(text));
    const take = (chunk: Buffer) => {
      tail = (tail + chunk).slice(-TAIL_CHARS);
      this.#deps.box.progress = tail
        .trimEnd()
        .split(/[\r\n]/)
        .at(-1)
        ?.trim();
      logged += chunk.length;
      if (logged <= SETUP_LOG_MAX_BYTES) said.take(chunk);
    };
    this.#busy = true;
    this.sample();
    child.stdout?.on('data', take);
    child.stderr?.on('data', take);
    return new Promise((resolve) => {
      const done = (code: number | string, text: string) => {
        this.sample();
        said.end();
        this.#busy = false;
        resolve({ code, tail: text });
      };
      child.on('error', (error) => done('error', error.message));
      // Not `close`: a server that the script leaves running may hold the output.
      child.on('exit', (code, signal) => setImmediate(() => done(code ?? signal ?? 'unknown', tail)));
    });
  }
}

/** Lines of a program without those that name a folder of the agent's own, which nobody else has a use for. */
const without = (text: string, path: string): string =>
  text
    .split(/[\r\n]+/)
    .filter((line) => line.trim() !== '' && !line.includes(path))
    .join('\n');
