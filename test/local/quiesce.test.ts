import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Bench, eventually, launchReady, openBench, runIn, shell, startExec } from './local-harness.ts';

let bench: Bench;
beforeAll(async () => {
  bench = await openBench();
});
afterAll(() => bench?.close());

const GIT = 'git -c user.name=dev -c user.email=dev@localhost -c init.defaultBranch=main';

describe('what is found when a box is made quiet', () => {
  it('all repositories, with what is not committed and not pushed', async () => {
    const { box } = await launchReady(bench);
    await shell(
      bench.provider,
      box,
      `set -e; cd ~ && ${GIT} init -q --bare remote.git && cd /workspace/src && ${GIT} clone -q ~/remote.git app 2>/dev/null && cd app
       echo a > a && git add a && ${GIT} commit -qm one && ${GIT} push -q origin HEAD:main
       echo b > b && git add b && ${GIT} commit -qm two && git branch side && ${GIT} commit -q --allow-empty -m three
       echo changed > a; echo new > 'untracked file'; git mv b renamed
       cd .. && ${GIT} init -q alone && cd alone && echo x > x && git add x && ${GIT} commit -qm only && git checkout -q --detach
       cd .. && ${GIT} init -q fresh && mkdir -p deep/node_modules/dep && ${GIT} init -q deep/node_modules/dep`,
    );
    const report = await bench.provider.quiesce(box, 'git');
    expect(report.repositories).toEqual([
      { path: 'src/alone', branch: null, dirtyFiles: 0, unpushedCommits: 1, hasRemote: false },
      { path: 'src/app', branch: 'main', dirtyFiles: 3, unpushedCommits: 2, hasRemote: true },
      { path: 'src/fresh', branch: 'main', dirtyFiles: 0, unpushedCommits: 0, hasRemote: false },
    ]);
    expect(report.truncated).toBe(false);
    expect(report.files).toBeGreaterThan(50);
    await bench.provider.end(box);
  });

  it('a hostile repository runs nothing that outlives it', async () => {
    const { box } = await launchReady(bench);
    await shell(
      bench.provider,
      box,
      `set -e; cd /workspace/src && ${GIT} init -q evil && cd evil && echo x > x && git add x && ${GIT} commit -qm one
       printf '#!/bin/sh\\ntouch /workspace/home/ran-$1\\n(setsid sh -c "while :; do date > /workspace/home/late; done" > /dev/null 2>&1 &)\\ncat\\n' > /workspace/home/evil && chmod +x /workspace/home/evil
       git config core.fsmonitor '/workspace/home/evil fsmonitor' && git config core.pager '/workspace/home/evil pager' && git config core.hooksPath /workspace/home
       git config filter.f.clean '/workspace/home/evil filter' && echo '* filter=f' > .gitattributes && echo y > x`,
    );
    await bench.provider.quiesce(box, 'evil');
    bench.launcher.orders.set(box.sessionId, { state: 'work' });
    await bench.provider.poke(box);
    await bench.launcher.beat(box.boxId, (beat) => beat.state === 'ready');
    // The first process of a box is a shell on some machines, and who is seen by the look may be gone when it is read.
    const others = 'for pid in /proc/[0-9]*; do [ $pid = /proc/1 ] || cat $pid/comm; done 2> /dev/null';
    const left = await shell(bench.provider, box, `ls /workspace/home; ${others}; true`);
    // A clean filter cannot be kept from git; but nothing of it is left when the box is quiet.
    expect(left).not.toMatch(/ran-fsmonitor|ran-pager/);
    expect(left.split('\n').filter((line) => ['sh', 'date'].includes(line))).toEqual([]);
    await bench.provider.end(box);
  });

  it('names what ended when it was asked, and what had to be killed; a shell keeps its history', async () => {
    const { box } = await launchReady(bench);
    const terminal = await startExec(bench.provider, box, { tty: { cols: 80, rows: 24, term: 'xterm' } });
    terminal.input('echo history-$((6*7))\n');
    await terminal.until(({ stdout }) => stdout.includes('history-42'));
    const deaf = await startExec(bench.provider, box, {
      argv: ['node', '-e', 'process.on("SIGTERM", () => {}); console.log("up"); setInterval(() => {}, 1000)'],
    });
    await deaf.until(({ stdout }) => stdout.includes('up'));
    const polite = await startExec(bench.provider, box, { argv: ['sleep', 'infinity'] });
    await eventually(async () => (await runIn(bench.provider, box, ['pgrep', 'sleep'])).exit?.code === 0);
    const report = await bench.provider.quiesce(box, 'names');
    expect(report.killedProcesses).toEqual(['node']);
    expect(report.stoppedProcesses.sort()).toEqual(['bash', 'sleep']);
    expect((await deaf.done).exit?.code).toBe(137);
    expect((await polite.done).exit?.code).toBe(143);
    await terminal.done;
    bench.launcher.orders.set(box.sessionId, { state: 'work' });
    await bench.provider.poke(box);
    await bench.launcher.beat(box.boxId, (beat) => beat.state === 'ready');
    expect(await shell(bench.provider, box, 'cat ~/.bash_history')).toContain('echo history');
    await bench.provider.end(box);
  });

  it('an order to work from before does not open a box that was made quiet since', async () => {
    const { box, request } = await launchReady(bench);
    // The answer to a heartbeat is held back until the box is quiet.
    let release: () => void = () => {};
    let held = false;
    const original = bench.launcher.tokens.get(request.tags.sessionId);
    bench.launcher.hold = (boxId) => {
      if (boxId !== box.boxId || held) return null;
      held = true;
      return new Promise<void>((resolve) => {
        release = resolve;
      });
    };
    await eventually(() => held);
    await bench.provider.quiesce(box, 'stale order');
    bench.launcher.orders.set(box.sessionId, { state: 'hold' });
    release();
    await bench.launcher.beat(box.boxId, (beat) => beat.state === 'quiesced');
    expect((await runIn(bench.provider, box, ['true'])).problem?.code).toBe('wrong_phase');
    expect(original).toBeDefined();
    bench.launcher.hold = () => null;
    await bench.provider.end(box);
  });
});

describe('orders', () => {
  it('end: the box lets everything go', async () => {
    const { box } = await launchReady(bench);
    bench.launcher.orders.set(box.sessionId, { state: 'end' });
    await bench.provider.poke(box);
    await eventually(async () => (await bench.provider.observe(box)) === 'gone');
  });

  it('a box whose generation is over ends by itself', async () => {
    const { box, request } = await launchReady(bench);
    bench.launcher.refuse.set(request.tags.sessionId, 'stale_generation');
    await eventually(async () => (await bench.provider.observe(box)) === 'gone');
  });

  it('a launcher that is silent past the hard limit is not waited for', async () => {
    const { box, boxId } = await launchReady(bench);
    bench.launcher.orders.set(box.sessionId, { hardLimitInMs: 500 });
    // The second one shows that the answer to the first has come.
    await bench.launcher.beat(boxId, () => true);
    await bench.launcher.beat(boxId, () => true);
    await bench.provider.stop();
    await eventually(async () => (await bench.provider.observe(box)) === 'gone');
    await bench.provider.start();
    const log = (await (await bench.provider.logs(box, { tailLines: 20, follow: false })).toArray()).join('');
    expect(log).toMatch(/quiet: [\s\S]*ending: hard limit/);
  });

  it('run the setup script of the workspace only when the owner allowed it, once for its text', async () => {
    const first = await launchReady(bench);
    const script = 'mkdir -p .devctl && printf "echo setting up; echo again >> /workspace/home/setups\\n" > .devctl/setup.sh';
    await shell(bench.provider, first.box, script);
    await bench.launcher.beat(first.boxId, () => true);
    await bench.launcher.beat(first.boxId, () => true);
    expect(await shell(bench.provider, first.box, 'ls ~')).toBe('');
    bench.launcher.orders.set(first.box.sessionId, { runSetup: true });
    await bench.launcher.beat(first.boxId, (beat) => beat.evidence.some((item) => item.kind === 'setup'));
    await eventually(async () => (await shell(bench.provider, first.box, 'cat ~/setups 2>/dev/null || true')) === 'again');
    await bench.provider.end(first.box);
    const tags = { workspaceId: first.request.tags.workspaceId };
    const second = launchReady(bench, { source: { kind: 'volume', volumeId: first.volumeId, saved: null }, tags });
    const { box } = await second;
    bench.launcher.orders.set(box.sessionId, { runSetup: true });
    await bench.provider.poke(box);
    await bench.launcher.beat(box.boxId, () => true);
    expect(await shell(bench.provider, box, 'cat ~/setups')).toBe('again');
    await shell(bench.provider, box, 'echo "echo it went wrong >&2; exit 4" > .devctl/setup.sh');
    const beat = await bench.launcher.beat(box.boxId, (found) => found.failure !== undefined);
    expect(beat.failure).toMatchObject({ code: 'setup_failed', detail: expect.stringMatching(/ended with 4: [\s\S]*it went wrong/) });
    const next = await bench.launcher.beat(box.boxId, () => true);
    expect(next.failure).toBeUndefined();
    await bench.provider.end(box);
  });

  it('fetch a source, and say why when it cannot be had', async () => {
    const { box, boxId } = await launchReady(bench);
    bench.launcher.orders.set(box.sessionId, { clone: { url: 'http://127.0.0.1:9/nothing.git', ref: 'main' } });
    const beat = await bench.launcher.beat(boxId, (found) => found.failure !== undefined);
    expect(beat.failure).toMatchObject({ code: 'source_unavailable', detail: expect.stringContaining('127.0.0.1') });
    expect(beat.contentPresent).toBe(false);
    expect(await shell(bench.provider, box, 'ls -A /workspace/.devctl-box | grep clone; true')).toBe('');
    await bench.provider.end(box);
  });
});
