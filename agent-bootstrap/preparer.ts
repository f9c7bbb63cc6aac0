import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync, opendirSync, renameSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { BoxConfig } from '../launcher/contract/agent-config.ts';
import type { Heartbeat, Orders } from '../launcher/contract/box.ts';
import { cloneArgv, cloneEnv } from './clone.ts';
import type { EvidenceLog } from './evidence-log.ts';
import { writeDurably } from './journal.ts';
import type { Launcher } from './launch.ts';
import { createHash } from './lazy-crypto.ts';
import type { Log } from './ports.ts';
import { readOrdinary } from './safe-files.ts';
import type { SecretMask } from './secret-mask.ts';
import type { Staging } from './staging.ts';
import type { BoxState } from './state.ts';
import { stateFolder } from './workspace-folders.ts';

const SETUP_SCRIPT = '.devctl/setup.sh';
/** What a setup script may write into the box's log. */
const SETUP_LOG_MAX_BYTES = 8 * 1024 ** 2;
const TAIL_CHARS = 1_500;
/** Of a script, what is looked at to know it again. */
const SCRIPT_MAX_BYTES = 16 * 1024 ** 2;
const KEY_MAX_BYTES = 100;

type Failure = NonNullable<Heartbeat['failure']>;

interface PreparerDeps {
  config: BoxConfig;
  box: BoxState;
  evidence: EvidenceLog;
  launcher: Launcher;
  staging: Staging;
  /** For what a program says: it goes to the log. */
  mask: SecretMask;
  log: Log;
  /** Takes what a program says into the log as it is. */
  said: (text: string) => void;
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
  #content = false;

  constructor(deps: PreparerDeps) {
    this.#deps = deps;
  }

  get #src(): string {
    return join(this.#deps.config.paths.workspace, 'src');
  }

  /** Once there was something it is not looked at again: a box that has been made quiet may have let go of its disk. */
  contentPresent(): boolean {
    if (!this.#content && existsSync(stateFolder(this.#deps.config))) this.#content = hasEntries(this.#src);
    return this.#content;
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
    const { box, staging } = this.#deps;
    await staging.cleared;
    if (clone && !this.contentPresent()) {
      const key = `clone ${clone.url} ${clone.ref ?? ''}`;
      if (this.#failed.has(key)) return;
      const failure = await this.#clone(clone);
      if (failure) return this.#fail(failure, key);
    }
    if (runSetup && this.#setupIsDue()) {
      const failure = await this.#setup();
      if (failure) return this.#fail(failure, this.#setupKey() ?? '');
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
    const { config, launcher, staging, log } = this.#deps;
    const place = staging.newPlace('clone');
    log(`cloning ${source.url}`);
    const wanted = { cwd: staging.folder, env: cloneEnv(config.env) };
    const { file, args, ...options } = launcher.program(['git', ...cloneArgv(source, place)], wanted);
    const { code, tail } = await this.#follow(spawn(file, args, { ...options, detached: true, stdio: ['ignore', 'pipe', 'pipe'] }));
    if (code !== 0) {
      await staging.remove(place);
      const full = /No space left on device/.test(tail);
      return {
        code: full ? 'disk_full' : 'source_unavailable',
        detail: `git clone ${source.url} failed (${code}): ${without(tail, place)}`,
      };
    }
    // Onto the empty folder: the kernel refuses when something has come into it meanwhile.
    renameSync(place, this.#src);
    return null;
  }

  /** Once per workspace and text of the script, unless it failed; not again in a box in which it failed. */
  #setupIsDue(): boolean {
    const key = this.#setupKey();
    if (key === null || this.#failed.has(key)) return false;
    return readOrdinary(this.#donePath, KEY_MAX_BYTES, 'refused')?.toString() !== key;
  }

  get #donePath(): string {
    return join(stateFolder(this.#deps.config), 'setup-done');
  }

  /** Null when there is no script that could be run. */
  #setupKey(): string | null {
    const text = readOrdinary(join(this.#src, SETUP_SCRIPT), SCRIPT_MAX_BYTES, 'followed');
    return text && createHash('sha256').update(text).digest('hex');
  }

  async #setup(): Promise<Failure | null> {
    this.#stage = 'setup';
    const { config, launcher, log } = this.#deps;
    const script = join(this.#src, SETUP_SCRIPT);
    const key = this.#setupKey() ?? '';
    log(`running ${SETUP_SCRIPT}`);
    // By its first line when it is a program, else by the shell.
    const isProgram = ((statSync(script, { throwIfNoEntry: false })?.mode ?? 0) & 0o111) !== 0;
    // A user has a home of his own, which is not the agent's to make.
    if (launcher.user === null) mkdirSync(config.env['HOME'] ?? this.#src, { recursive: true });
    const { file, args, ...options } = launcher.program(isProgram ? [script] : ['/bin/sh', script], { cwd: this.#src, env: config.env });
    const child = spawn(file, args, { ...options, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
    const { code, tail } = await this.#follow(child);
    if (code !== 0) return { code: 'setup_failed', detail: `${SETUP_SCRIPT} ended with ${code}: ${tail.trim()}` };
    writeDurably(this.#donePath, key);
    log(`${SETUP_SCRIPT} is done`);
    return null;
  }

  /** Passes the output of a program on to the box's log, and its latest line to the owner. */
  #follow(child: ChildProcess): Promise<{ code: number | string; tail: string }> {
    let told = '';
    let logged = 0;
    // Masked before it is cut: nobody knows half of a secret again.
    const said = this.#deps.mask.lines((text) => {
      told = (told + text).slice(-TAIL_CHARS);
      if (logged <= SETUP_LOG_MAX_BYTES) this.#deps.said(text);
    });
    const tail = () => (told + said.rest()).slice(-TAIL_CHARS);
    const take = (chunk: Buffer) => {
      logged += chunk.length;
      said.take(chunk);
      this.#deps.box.progress = tail()
        .trimEnd()
        .split(/[\r\n]/)
        .at(-1)
        ?.trim();
    };
    this.#busy = true;
    this.#deps.staging.note(child.pid);
    this.sample();
    child.stdout?.on('data', take);
    child.stderr?.on('data', take);
    return new Promise((resolve) => {
      const done = (code: number | string, text: string) => {
        this.sample();
        said.end();
        this.#busy = false;
        this.#deps.staging.note(undefined);
        resolve({ code, tail: text });
      };
      child.on('error', (error) => done('error', error.message));
      // Not `close`: a server that the script leaves running may hold the output.
      child.on('exit', (code, signal) => setImmediate(() => done(code ?? signal ?? 'unknown', tail())));
    });
  }
}

/** Whether something is in a folder, of which there may be millions. */
function hasEntries(path: string): boolean {
  if (!existsSync(path)) return false;
  const folder = opendirSync(path);
  try {
    return folder.readSync() !== null;
  } finally {
    folder.closeSync();
  }
}

/** Lines of a program without those that name a folder of the agent's own, which nobody else has a use for. */
const without = (text: string, path: string): string =>
  text
    .split(/[\r\n]+/)
    .filter((line) => line.trim() !== '' && !line.includes(path))
    .join('\n');
