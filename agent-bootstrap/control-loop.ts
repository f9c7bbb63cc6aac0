import type { BoxConfig } from '../launcher/contract/agent-config.ts';
import type { Heartbeat, Orders, Register } from '../launcher/contract/box.ts';
import type { DeadlineNote } from './deadline-note.ts';
import type { EvidenceLog } from './evidence-log.ts';
import { monotonicMs } from './monotonic.ts';
import type { LauncherLink, Log, WorkspaceMount } from './ports.ts';
import type { BoxState } from './state.ts';

const RETRY_FIRST_MS = 50;
const RETRY_MAX_MS = 5_000;
/** Past the hard limit, a launcher is given up after so many heartbeats without an answer, and not sooner than this. */
const SILENT_HEARTBEATS = 5;
const SILENT_MIN_MS = 2_000;
/** How long a box that nobody answers takes to be quiet, and how often it tries before it ends all the same. */
const QUIET_MS = 180_000;
const NOT_QUIET_MAX = 5;
/** The contract takes no more. */
const INTERRUPTION_MAX_MS = 600_000;

interface ControlDeps {
  config: BoxConfig;
  agentVersion: string;
  bootId: string;
  link: LauncherLink;
  box: BoxState;
  deadline: DeadlineNote;
  evidence: EvidenceLog;
  /** Looks at the processes of the box now. */
  sampleEvidence: () => void;
  contentPresent: () => boolean;
  /** Brings the disk of the workspace to its place, again after it was given back. */
  mount: Pick<WorkspaceMount, 'prepare' | 'fileSystem'>;
  /** Keeps the workload to what it may reach. @throws Error: nothing may run */
  confine: (orders: Orders) => Promise<void>;
  /** Called once, when it is there: what works in it can begin. */
  onMounted: () => void;
  /** Starts what orders ask for and has not been done; must not throw. */
  prepare: (orders: Orders) => void;
  showNotice: (notice: NonNullable<Orders['notice']>) => void;
  /** Called once, when the launcher knows of the box: what a first request will need can be loaded now. */
  onRegistered: () => void;
  /** Called each time before commands are taken, when the disk is there and what may be reached is in force. */
  onOpen: () => void;
  /** Stops every writer and flushes, for a box that its launcher has forgotten. */
  quiesceForGood: () => Promise<void>;
  /** Ends the box. Does not return. */
  end: (reason: string) => never;
  log: Log;
}

/** Registers, beats and obeys: one request at a time, for as long as the box lives. */
export class ControlLoop {
  readonly #deps: ControlDeps;
  readonly #identity: { sessionId: string; generation: number };
  #wake: (() => void) | null = null;
  #woken = false;
  #heartbeatMs = 1_000;
  #lastContactMs = monotonicMs();
  #hardDeadlineMs: number;
  #endsAtMs: number | null = null;
  #isUsable = false;
  #hasOpened = false;
  #notQuiet = 0;

  constructor(deps: ControlDeps) {
    this.#deps = deps;
    this.#identity = { sessionId: deps.config.sessionId, generation: deps.config.generation };
    this.#hardDeadlineMs = deps.deadline.read() ?? monotonicMs() + deps.config.limits.orphanLimitMs;
    deps.box.onChange(() => this.wake());
  }

  /** The machine is to be taken away at this time: the launcher hears of it at once. */
  interrupted(atMs: number): void {
    this.#endsAtMs = atMs;
    this.wake();
  }

  /** Beat now rather than at the next time. */
  wake(): void {
    this.#woken = true;
    this.#wake?.();
  }

  async run(): Promise<never> {
    this.#isUsable = await this.#untilAnswered(() => this.#mount());
    if (this.#isUsable) {
      this.#deps.onMounted();
      await this.#untilAnswered(() => this.#register());
      this.#deps.onRegistered();
    }
    // A box whose disk cannot be used says so, until it is ended.
    for (;;) {
      await this.#untilAnswered(() => this.#beat());
      await this.#pause(this.#heartbeatMs);
    }
  }

  /** @returns false when the disk cannot be used, which its launcher then hears */
  async #mount(): Promise<boolean> {
    const { mount, box, log } = this.#deps;
    try {
      await mount.prepare();
      return true;
    } catch (error) {
      const { DiskProblem } = await import('./disk-problem.ts');
      if (!(error instanceof DiskProblem)) throw error;
      log(`${error.code}: ${error.message}`);
      box.change({ open: false, failure: { code: error.code, detail: error.message.slice(0, 2_000) } });
      return false;
    }
  }

  async #register(): Promise<void> {
    const { box, link, agentVersion, bootId, mount } = this.#deps;
    const { fileSystem } = mount;
    const body: Register = { ...this.#identity, agentVersion, bootId, ...(fileSystem !== undefined && { fileSystem }) };
    const epoch = box.quiesceEpoch;
    await this.#obey(await link.post('/boxes/register', body), epoch);
  }

  async #beat(): Promise<void> {
    const { box, evidence, link, sampleEvidence, contentPresent } = this.#deps;
    this.#woken = false;
    sampleEvidence();
    const epoch = box.quiesceEpoch;
    const { failure, progress } = box;
    const body: Heartbeat = {
      ...this.#identity,
      state: box.state,
      ...(failure && { failure }),
      ...(progress !== undefined && box.state === 'preparing' && { progress: progress.slice(0, 200) }),
      ...(this.#endsAtMs !== null && { interruptionInMs: Math.min(INTERRUPTION_MAX_MS, Math.max(0, this.#endsAtMs - Date.now())) }),
      contentPresent: contentPresent(),
      evidence: evidence.report(),
    };
    const answer = await link.post('/boxes/heartbeat', body);
    // Told once: a later failure is another object.
    if (failure && box.failure === failure) box.failure = undefined;
    await this.#obey(answer, epoch);
  }

  /** Orders are typed by the contract and not checked again: a newer launcher may say more. */
  async #obey(orders: Orders, epoch: number): Promise<void> {
    const { box, end, prepare, showNotice, onOpen } = this.#deps;
    this.#lastContactMs = monotonicMs();
    this.#heartbeatMs = orders.heartbeatMs;
    this.#hardDeadlineMs = this.#lastContactMs + orders.hardLimitInMs;
    this.#deps.deadline.write(this.#hardDeadlineMs);
    if (orders.state === 'end') end('the launcher said so');
    if (orders.notice) showNotice(orders.notice);
    if (orders.state === 'hold') box.open = false;
    // An answer to a question from before the last quiesce knows nothing of it: it must not open the box again.
    if (orders.state !== 'work' || epoch !== box.quiesceEpoch || !this.#isUsable) return;
    // Its disk may have been given back.
    if (box.state === 'quiesced' && !(await this.#mount())) return;
    if (!(await this.#confined(orders)) || epoch !== box.quiesceEpoch) return;
    box.open = true;
    if (!this.#hasOpened || box.state === 'quiesced') onOpen();
    this.#hasOpened = true;
    if (box.state === 'quiesced') box.change({ state: 'ready' });
    prepare(orders);
  }

  async #confined(orders: Orders): Promise<boolean> {
    const { confine, box, log } = this.#deps;
    try {
      await confine(orders);
      return true;
    } catch (error) {
      log(messageOf(error));
      box.change({
        open: false,
        failure: { code: 'setup_failed', detail: `the box cannot be confined: ${messageOf(error)}`.slice(0, 2_000) },
      });
      return false;
    }
  }

  /** Repeats a request until the launcher answers it. Ends the box when it is refused for good, or forgotten. */
  async #untilAnswered<T>(attempt: () => Promise<T>): Promise<T> {
    let delayMs = RETRY_FIRST_MS;
    for (let failures = 0; ; failures += 1) {
      try {
        return await attempt();
      } catch (error) {
        await this.#endIfStale(error);
        if (failures === 0 || delayMs === RETRY_MAX_MS) this.#deps.log(`no answer from the launcher: ${messageOf(error)}`);
      }
      await this.#endIfForgotten();
      await this.#pause(delayMs * (0.5 + Math.random() / 2));
      delayMs = Math.min(RETRY_MAX_MS, delayMs * 2);
    }
  }

  async #endIfStale(error: unknown): Promise<void> {
    const { isDevctlError } = await import('../launcher/contract/errors.ts');
    if (isDevctlError(error, 'stale_generation')) this.#deps.end('a newer box has taken over');
  }

  async #endIfForgotten(): Promise<void> {
    const now = monotonicMs();
    const silentMs = Math.max(SILENT_MIN_MS, SILENT_HEARTBEATS * this.#heartbeatMs);
    if (now < this.#hardDeadlineMs || now - this.#lastContactMs < silentMs) return;
    this.#deps.log('the hard limit has passed and no launcher answers: stopping by itself');
    try {
      await within(QUIET_MS, this.#deps.quiesceForGood());
    } catch (error) {
      this.#notQuiet += 1;
      this.#deps.log(`it could not be made quiet (${this.#notQuiet} of ${NOT_QUIET_MAX}): ${messageOf(error)}`);
      // Then its disk is as after a power cut, which is better than a box that nobody ends.
      if (this.#notQuiet < NOT_QUIET_MAX) return;
    }
    this.#deps.end('hard limit with no launcher');
  }

  #pause(ms: number): Promise<void> {
    if (this.#woken) {
      this.#woken = false;
      return Promise.resolve();
    }
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        this.#wake = null;
        this.#woken = false;
        resolve();
      };
      const timer = setTimeout(done, ms);
      this.#wake = done;
    });
  }
}

/** @throws Error when it takes longer */
function within<T>(ms: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no end within ${ms} ms`)), ms);
  });
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
