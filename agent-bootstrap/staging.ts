import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { BoxConfig } from '../launcher/contract/agent-config.ts';
import { runHelper } from './helper.ts';
import type { Launcher } from './launch.ts';
import { monotonicMs } from './monotonic.ts';
import { readNote, writeNote } from './notes.ts';
import type { Processes } from './processes.ts';
import { signalGroup } from './signals.ts';
import { stagingFolder } from './workspace-folders.ts';

const REMOVE_MS = 120_000;
const LEFT_END_MS = 5_000;
const POLL_MS = 10;

interface Deps {
  config: BoxConfig;
  processes: Processes;
  launcher: Launcher;
  /** File in memory of the machine that tells the next agent what fills the folder; null: the box ends with its agent. */
  notePath: string | null;
}

interface Noted {
  pid: number;
  startTicks: number;
}

/** The folder in which a source is put together before it takes its place. What an agent that was killed left in it is removed first. */
export class Staging {
  readonly folder: string;
  readonly #deps: Deps;
  /** Resolves when nothing is left of an earlier agent; it does not fail. */
  readonly cleared: Promise<void>;
  #count = 0;

  constructor(deps: Deps) {
    this.#deps = deps;
    this.folder = stagingFolder(deps.config);
    this.cleared = this.#clear();
  }

  newPlace(kind: 'clone' | 'import'): string {
    this.#count += 1;
    return join(this.folder, `${kind}-${process.pid}-${Date.now()}-${this.#count}`);
  }

  /** What is the workload's is removed by the workload's user: to walk through its folders is not for the agent. */
  async remove(...places: string[]): Promise<void> {
    if (places.length === 0) return;
    const { processes, launcher } = this.#deps;
    if (launcher.user === null) for (const place of places) rmSync(place, { recursive: true, force: true });
    else await runHelper(processes, ['rm', '-rf', '--', ...places], { timeoutMs: REMOVE_MS, as: launcher });
  }

  /** A program of the preparing runs; undefined: it has ended. */
  note(pid: number | undefined): void {
    const { notePath, processes } = this.#deps;
    if (notePath === null) return;
    const startTicks = pid === undefined ? undefined : processes.stat(pid)?.startTicks;
    if (pid === undefined || startTicks === undefined) rmSync(notePath, { force: true });
    else writeNote(notePath, { pid, startTicks } satisfies Noted);
  }

  async #clear(): Promise<void> {
    await this.#endLeft();
    const left = readdirSync(this.folder).filter((name) => /^(clone|import|put)-/.test(name));
    await this.remove(...left.map((name) => join(this.folder, name)));
  }

  /** A clone or setup script of an agent that was killed: how it ends nobody would learn, so it is ended, and done again. */
  async #endLeft(): Promise<void> {
    const { notePath, processes } = this.#deps;
    const left = notePath === null ? null : readNote<Noted>(notePath);
    const deadline = monotonicMs() + LEFT_END_MS;
    while (left !== null && monotonicMs() < deadline && processes.stat(left.pid)?.startTicks === left.startTicks) {
      signalGroup(left.pid, 'SIGKILL');
      await sleep(POLL_MS);
    }
    this.note(undefined);
  }
}
