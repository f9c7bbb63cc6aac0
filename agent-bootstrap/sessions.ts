import type { BoxConfig } from '../launcher/contract/agent-config.ts';
import { readNote, writeNote } from './notes.ts';
import type { Processes } from './processes.ts';

/** A command or terminal that was started for a client. */
export interface RunningCommand {
  /** First process, which leads its own process group and session. */
  pid: number;
  tty: boolean;
  /** For people: the command, shortened. */
  label: string;
  showNotice: (text: string) => void;
}

interface Noted {
  pid: number;
  startTicks: number;
  tty: boolean;
  label: string;
}

/** Commands that run for clients now, and the notices that each terminal has to show once. */
export class CommandSessions {
  readonly #running = new Map<RunningCommand, number>();
  /** What an agent has started that was killed: they run on, with nobody at their other end. */
  #left: Noted[] = [];
  readonly #notePath: string | null;
  #lastNoticeId: string | null = null;

  /** @param notePath file in memory of the machine that tells the next agent what runs; null: the box ends with its agent */
  constructor(
    readonly config: BoxConfig,
    readonly processes: Processes,
    notePath: string | null,
  ) {
    this.#notePath = notePath;
    if (notePath !== null) this.#left = readNote<Noted[]>(notePath) ?? [];
  }

  get running(): RunningCommand[] {
    this.#left = this.#left.filter(({ pid, startTicks }) => this.processes.stat(pid)?.startTicks === startTicks);
    return [...this.#running.keys(), ...this.#left.map(({ pid, tty, label }) => ({ pid, tty, label, showNotice: () => {} }))];
  }

  add(command: RunningCommand): void {
    this.#running.set(command, this.processes.stat(command.pid)?.startTicks ?? 0);
    this.#note();
  }

  remove(command: RunningCommand): void {
    this.#running.delete(command);
    this.#note();
  }

  notice(notice: { id: string; text: string }): void {
    if (notice.id === this.#lastNoticeId) return;
    this.#lastNoticeId = notice.id;
    for (const command of this.#running.keys()) if (command.tty) command.showNotice(notice.text);
  }

  #note(): void {
    if (this.#notePath === null) return;
    const now = [...this.#running].map(([{ pid, tty, label }, startTicks]) => ({ pid, startTicks, tty, label }));
    writeNote(this.#notePath, [...this.#left, ...now]);
  }
}
