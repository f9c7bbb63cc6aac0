import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { EvidenceLog } from '../../../agent-bootstrap/evidence-log.ts';
import { Launcher } from '../../../agent-bootstrap/launch.ts';
import { Preparer } from '../../../agent-bootstrap/preparer.ts';
import { Processes } from '../../../agent-bootstrap/processes.ts';
import { SecretMask } from '../../../agent-bootstrap/secret-mask.ts';
import { Staging } from '../../../agent-bootstrap/staging.ts';
import { BoxState } from '../../../agent-bootstrap/state.ts';
import type { BoxConfig } from '../../../launcher/contract/agent-config.ts';
import type { Orders } from '../../../launcher/contract/box.ts';

const SECRET = 'correct-horse-battery-staple';
/** Of a failure, what is told at most. */
const TAIL_CHARS = 1_500;

let root = '';
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'devctl-setup-'));
  for (const folder of ['src/.devctl', '.devctl-box', 'home']) mkdirSync(join(root, folder), { recursive: true });
});
afterEach(() => rmSync(root, { recursive: true }));

/** Runs a setup script as the agent's own user does. */
async function runSetup(script: string): Promise<{ box: BoxState; said: string }> {
  writeFileSync(join(root, 'src/.devctl/setup.sh'), script);
  const config: BoxConfig = {
    boxId: 'box_1',
    sessionId: 'ses_1',
    generation: 1,
    paths: { workspace: root, run: root },
    user: null,
    processScope: 'marker',
    env: { PATH: process.env['PATH'] ?? '', HOME: join(root, 'home') },
    limits: { archiveBytes: 1, archiveFiles: 1, archiveRatio: 1, archiveRatioFloorBytes: 1, stopGraceMs: 1, orphanLimitMs: 1 },
  };
  const launcher = new Launcher(config);
  const mask = new SecretMask();
  mask.learn(Buffer.from(SECRET));
  let said = '';
  const box = new BoxState();
  const preparer = new Preparer({
    config,
    box,
    evidence: new EvidenceLog(mask),
    launcher,
    staging: new Staging({ config, processes: new Processes(config), launcher, notePath: null }),
    mask,
    log: () => {},
    said: (text) => {
      said += text;
    },
  });
  preparer.obey({ runSetup: true, clone: null } as Orders);
  await vi.waitUntil(() => box.failure !== undefined || box.state === 'ready', { timeout: 8_000 });
  return { box, said };
}

it('of a setup script that fails no half of a secret is told, wherever its words are cut', async () => {
  const half = TAIL_CHARS - SECRET.length / 2 - 1;
  const { box, said } = await runSetup(`echo ${SECRET}; head -c ${half} /dev/zero | tr '\\0' x; exit 3`);
  expect(box.failure?.detail).toMatch(/^\.devctl\/setup\.sh ended with 3: .{0,20}x{1000,}$/s);
  expect(box.failure?.detail).not.toMatch(/staple|battery/);
  expect(said).toMatch(/^\[redacted\]\nx+$/);
});

it('nor while a line of it is not whole', async () => {
  const { box } = await runSetup(`printf 'token ${SECRET}'; sleep 0.2; exit 3`);
  expect(box.failure?.detail).toBe('.devctl/setup.sh ended with 3: token [redacted]');
  expect(box.progress).toBe('token [redacted]');
});

it('nor of a sign of work', () => {
  const mask = new SecretMask();
  mask.learn(Buffer.from(SECRET));
  const evidence = new EvidenceLog(mask);
  evidence.note('command', `${'x'.repeat(190)}${SECRET}`);
  expect(evidence.report()[0]?.detail).toMatch(/^x{190}\[redacted\]$/);
});
