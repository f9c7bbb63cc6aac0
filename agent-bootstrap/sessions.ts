import type { BoxConfig } from '../launcher/contract/agent-config.ts';

/** A command or terminal that was started for a client. */
export interface RunningCommand {
  /** First process, which leads its own process group and session. */
  pid: number;
  tty: boolean;
  /** For people: the command, shortened. */
  label: string;
  showNotice: (text: string) => void;
}

/** Commands that run for clients now, and the notices that each terminal has to show once. */
export class CommandSessions {
  readonly running = new Set<RunningCommand>();
  #lastNoticeId: string | null = null;

  constructor(readonly config: BoxConfig) {}

  notice(notice: { id: string; text: string }): void {
    if (notice.id === this.#lastNoticeId) return;
    this.#lastNoticeId = notice.id;
    for (const command of this.running) if (command.tty) command.showNotice(notice.text);
  }
}
