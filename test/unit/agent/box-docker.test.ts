import { describe, expect, it } from 'vitest';
import { reasonIn, type Systemd, startDocker, stopDocker } from '../../../agent-bootstrap/box-docker.ts';

type State = 'inactive' | 'activating' | 'active' | 'deactivating' | 'failed';

/** systemd with one unit, which moves one step on the way that it was given each time somebody looks. */
class FakeSystemd {
  readonly asked: string[] = [];
  readonly #states: State[];
  journal = '';
  restarts = 0;
  /** Does not hear SIGTERM. */
  isDeaf = false;
  isThere = true;

  constructor(...states: State[]) {
    this.#states = states;
  }

  readonly run: Systemd = async ([program, verb, ...words]) => {
    this.asked.push([program, verb, ...words].join(' '));
    return {
      code: verb === 'start' && !this.isThere ? 5 : 0,
      stdout: Buffer.from(this.#answer(program, verb ?? '', words)),
      stderr: '',
      cut: false,
    };
  };

  #answer(program: string, verb: string, words: string[]): string {
    if (program === 'journalctl') return this.journal;
    if (verb === 'kill') this.#states.splice(0, this.#states.length, 'failed');
    if (verb === 'stop' && !this.isDeaf) this.#states.splice(0, this.#states.length, 'deactivating', 'inactive');
    if (verb !== 'show') return '';
    const state = this.#states.length > 1 ? this.#states.shift() : this.#states[0];
    return words.includes('--value') ? `${state}\n` : `ActiveState=${state}\nNRestarts=${this.restarts}\n`;
  }
}

const verbs = ({ asked }: FakeSystemd) =>
  asked.map((line) => line.split(' ').slice(0, 3).join(' ')).filter((line) => !line.includes(' show '));

describe('Docker of the workload', () => {
  const started = async (systemd: FakeSystemd, isWanted = true) => {
    const log: string[] = [];
    await startDocker({ systemd: systemd.run, log: (line) => void log.push(line), isWanted: () => isWanted });
    return log;
  };
  const stopped = async (systemd: FakeSystemd) => {
    const log: string[] = [];
    await stopDocker({ systemd: systemd.run, log: (line) => void log.push(line) });
    return log;
  };

  it('that starts is not spoken of, nor one that waits its turn, is stopped meanwhile, or is not in the image', async () => {
    expect(await started(new FakeSystemd('inactive', 'activating', 'active'))).toEqual([]);
    expect(await started(new FakeSystemd('activating', 'deactivating'))).toEqual([]);
    expect(await started(new FakeSystemd('activating', 'failed'), false)).toEqual([]);
    const none = new FakeSystemd('inactive');
    none.isThere = false;
    expect(await started(none)).toEqual([]);
    expect(none.asked).toHaveLength(1);
  });

  it.each(['failed', 'activating'] as const)('that does not start is named, with its reason: %s', async (state) => {
    const systemd = new FakeSystemd('activating', state);
    systemd.restarts = state === 'activating' ? 1 : 0;
    systemd.journal = 'starting up\nfailed to start daemon: local-kv.db: invalid database\n[rootlesskit:child ] error: exit status 1\n';
    expect(await started(systemd)).toEqual([
      'Docker of the workload does not start: failed to start daemon: local-kv.db: invalid database; its data is in /workspace/docker',
    ]);
  });

  it('that runs is asked to stop, and given the time that it needs', async () => {
    const systemd = new FakeSystemd('active');
    expect(await stopped(systemd)).toEqual([]);
    expect(verbs(systemd)).toEqual(['systemctl stop devctl-docker.service']);
    const off = new FakeSystemd('inactive');
    await stopped(off);
    expect(verbs(off)).toEqual([]);
  });

  it('that is still starting is not waited for: it is killed where it does not hear', async () => {
    const hears = new FakeSystemd('activating');
    await stopped(hears);
    expect(verbs(hears)).toEqual(['systemctl stop --no-block', 'systemctl stop devctl-docker.service']);
    const deaf = new FakeSystemd('activating');
    deaf.isDeaf = true;
    await stopped(deaf);
    expect(verbs(deaf)).toEqual(['systemctl stop --no-block', 'systemctl kill --signal=SIGKILL', 'systemctl stop devctl-docker.service']);
  });

  it('says why it ended by its error, or its last line, within a bound', () => {
    expect(reasonIn('a\nlevel=error msg="no space"\nb\n')).toBe('level=error msg="no space"');
    expect(reasonIn('a\nb\n\n')).toBe('b');
    expect(reasonIn('')).toBe('it does not say why');
    expect(reasonIn('x'.repeat(9000))).toHaveLength(500);
  });
});
