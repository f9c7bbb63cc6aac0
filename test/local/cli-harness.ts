import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type IPty, spawn as spawnPty } from '@lydell/node-pty';
import { vi } from 'vitest';

export const DEVCTL = new URL('../../dist/devctl.cjs', import.meta.url).pathname;

export interface Result {
  code: number | null;
  stdout: string;
  stderr: string;
}

export interface RunOptions {
  cwd?: string;
  env?: Record<string, string>;
  input?: string | Buffer;
  program?: string;
}

/** A person on a machine of their own: home, state folder and projects in a temporary folder. */
export class Person {
  readonly dir: string;
  readonly home: string;
  readonly state: string;
  readonly #children = new Set<ChildProcess>();
  readonly #terminals = new Set<Terminal>();

  /** @param within folder for all of it */
  constructor(within = tmpdir()) {
    this.dir = realpathSync(mkdtempSync(join(within, 'devctl-cli-')));
    this.home = join(this.dir, 'home');
    this.state = join(this.dir, 'state');
    mkdirSync(this.home);
  }

  folder(name: string): string {
    const path = join(this.dir, name);
    mkdirSync(path, { recursive: true });
    return path;
  }

  env(extra: Record<string, string> = {}): Record<string, string> {
    const base: Record<string, string> = {
      PATH: process.env['PATH'] ?? '',
      HOME: this.home,
      USER: 'dev',
      TERM: 'xterm',
      LANG: 'C.UTF-8',
      DEVCTL_HOME: this.state,
    };
    return { ...base, GIT_CONFIG_GLOBAL: '/dev/null', GIT_CONFIG_SYSTEM: '/dev/null', ...extra };
  }

  start(args: readonly string[], options: RunOptions = {}): ChildProcess {
    const child = spawn(process.execPath, [options.program ?? DEVCTL, ...args], {
      cwd: options.cwd ?? this.dir,
      env: this.env(options.env),
      stdio: 'pipe',
    });
    this.#children.add(child);
    child.once('exit', () => this.#children.delete(child));
    return child;
  }

  /** Runs a command without a terminal, to its end. */
  async run(args: readonly string[], options: RunOptions = {}): Promise<Result> {
    const child = this.start(args, options);
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    child.stdout?.on('data', (chunk: Buffer) => out.push(chunk));
    child.stderr?.on('data', (chunk: Buffer) => err.push(chunk));
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(options.input ?? '');
    const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
    return { code, stdout: Buffer.concat(out).toString('utf8'), stderr: Buffer.concat(err).toString('utf8') };
  }

  /** The same where anything but success is a failure of the test. */
  async must(args: readonly string[], options: RunOptions = {}): Promise<string> {
    const result = await this.run(args, options);
    if (result.code !== 0) throw new Error(`devctl ${args.join(' ')} ended with ${result.code}\n${result.stdout}${result.stderr}`);
    return result.stdout;
  }

  async json<T>(args: readonly string[], options: RunOptions = {}): Promise<T> {
    return JSON.parse(await this.must([...withForm(args)], options)) as T;
  }

  terminal(args: readonly string[], options: RunOptions & { cols?: number; rows?: number } = {}): Terminal {
    const terminal = new Terminal(
      spawnPty(process.execPath, [DEVCTL, ...args], {
        name: 'xterm',
        cols: options.cols ?? 80,
        rows: options.rows ?? 24,
        cwd: options.cwd ?? this.dir,
        env: this.env(options.env),
      }),
    );
    this.#terminals.add(terminal);
    return terminal;
  }

  /** A shell script on a terminal; DEVCTL is the program. */
  script(text: string, cwd: string, env: Record<string, string> = {}): Terminal {
    const options = { name: 'xterm', cols: 80, rows: 24, cwd, env: { ...this.env(env), DEVCTL } };
    // The program refuses DEVCTL_* names that it does not know; this one has no underscore.
    const terminal = new Terminal(spawnPty('/bin/bash', ['-c', text], options));
    this.#terminals.add(terminal);
    return terminal;
  }

  #hasBoxes(): boolean {
    const boxes = join(this.state, 'local', 'boxes');
    return existsSync(boxes) && readdirSync(boxes).length > 0;
  }

  async #stopLauncher(): Promise<void> {
    const file = join(this.state, 'launcher.json');
    if (!existsSync(file)) return;
    const { pid } = JSON.parse(readFileSync(file, 'utf8')) as { pid: number };
    if (!isAlive(pid)) return;
    process.kill(pid, 'SIGTERM');
    await vi.waitUntil(() => !isAlive(pid), { timeout: 20_000 });
  }

  /** Ends every session and the launcher, and takes everything away. */
  async leave(): Promise<void> {
    for (const child of this.#children) child.kill('SIGKILL');
    for (const terminal of this.#terminals) terminal.kill();
    if (this.#hasBoxes()) {
      await this.run(['ls']);
      await this.run(['down', '--all', '--yes', '--timeout', '30s']);
    }
    await this.#stopLauncher();
    rmSync(this.dir, { recursive: true, force: true, maxRetries: 5 });
  }
}

const isAlive = (pid: number): boolean => {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('serve');
  } catch {
    return false;
  }
};

function* withForm(args: readonly string[]): Generator<string> {
  const [verb, ...rest] = args;
  if (verb !== undefined) yield verb;
  const isOfGroup = ['workspace', 'token', 'context'].includes(verb ?? '') || (verb === 'snapshot' && ['ls', 'rm'].includes(rest[0] ?? ''));
  if (rest[0] !== undefined && !rest[0].startsWith('-') && isOfGroup) yield rest.shift() as string;
  yield '--json';
  yield* rest;
}

/** A command on a pseudo-terminal, and what it has shown so far. */
export class Terminal {
  shown = '';
  code: number | null = null;
  readonly pty: IPty;
  readonly #watchers = new Set<() => void>();

  constructor(pty: IPty) {
    this.pty = pty;
    pty.onData((text) => {
      this.shown += text;
      for (const watcher of this.#watchers) watcher();
    });
    pty.onExit(({ exitCode }) => {
      this.code = exitCode;
      for (const watcher of this.#watchers) watcher();
    });
  }

  type(text: string): void {
    this.pty.write(text);
  }

  async #until(what: string, isSo: () => boolean): Promise<void> {
    if (isSo()) return;
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => finish(new Error(`${what} did not come; shown so far:\n${this.shown}`)), 20_000);
      const finish = (error?: Error): void => {
        clearTimeout(timer);
        this.#watchers.delete(look);
        if (error) reject(error);
        else resolve();
      };
      const look = (): void => {
        if (isSo()) finish();
        else if (this.code !== null) finish(new Error(`it ended with ${this.code} before ${what}; shown:\n${this.shown}`));
      };
      this.#watchers.add(look);
    });
  }

  shows(text: string | RegExp): Promise<void> {
    return this.#until(String(text), () => (typeof text === 'string' ? this.shown.includes(text) : text.test(this.shown)));
  }

  async ends(): Promise<number> {
    await this.#until('the end', () => this.code !== null);
    return this.code as number;
  }

  kill(): void {
    if (this.code === null) this.pty.kill('SIGKILL');
  }
}
