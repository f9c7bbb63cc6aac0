import type { Cli } from './cli.ts';
import { plainText, seconds, width } from './text.ts';

const LABEL_COLUMNS = 14;
const TIME_COLUMNS = 8;
const REFRESH_MS = 200;

/** Steps of something that takes time, one line each when it is done, and one live line below for what goes on now. */
export class Steps {
  readonly #cli: Cli;
  readonly #live: boolean;
  #now: (() => string) | null = null;
  #timer: NodeJS.Timeout | null = null;
  #shown = false;

  constructor(cli: Cli) {
    this.#cli = cli;
    this.#live = cli.talks && cli.env['TERM'] !== 'dumb';
  }

  /** What goes on now. The text is asked for again while it lasts. */
  doing(text: () => string): void {
    if (!this.#live) return;
    this.#now = text;
    this.#timer ??= setInterval(() => this.#draw(), REFRESH_MS).unref();
  }

  /** A step is over. */
  done(label: string, tookMs: number, detail = ''): void {
    const { err } = this.#cli;
    this.line(
      `  ${err.green('✓')} ${label.padEnd(LABEL_COLUMNS)}  ${seconds(tookMs).padEnd(TIME_COLUMNS)}${detail ? ` ${plainText(detail)}` : ''}`.trimEnd(),
    );
  }

  /** Something that a person should know now, above the live line. */
  line(text: string): void {
    this.#wipe();
    this.#cli.say(text);
  }

  /** The live line goes away. To be called in every ending. */
  stop(): void {
    if (this.#timer) clearInterval(this.#timer);
    this.#timer = null;
    this.#now = null;
    this.#wipe();
  }

  #draw(): void {
    if (!this.#now) return;
    const columns = this.#cli.surroundings.stderr.columns || 80;
    let text = plainText(this.#now());
    while (width(text) > columns - 5) text = text.slice(0, -1);
    this.#cli.surroundings.stderr.write(`\r\u001b[K  ${this.#cli.err.dim(`… ${text}`)}`);
    this.#shown = true;
  }

  #wipe(): void {
    if (!this.#shown) return;
    this.#cli.surroundings.stderr.write('\r\u001b[K');
    this.#shown = false;
  }
}
