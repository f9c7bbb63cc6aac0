import { expect, it } from 'vitest';
import { createInvokeSignals, type LookEvent } from '../../../launcher/serve/lambda/signals.ts';
import { RecordingTelemetry } from '../../support/faults.ts';

const key = { owner: 'dev', id: 'ses_1' };

function signals() {
  const said: LookEvent[] = [];
  const open: Array<{ go(): void; fail(): void }> = [];
  const telemetry = new RecordingTelemetry();
  const made = createInvokeSignals((event) => {
    said.push(event);
    return new Promise((resolve, reject) => void open.push({ go: resolve, fail: () => reject(new Error('Rate Exceeded.')) }));
  }, telemetry);
  return { ...made, said, open, telemetry };
}

it('what is said while it is on its way is said once more, and not oftener', async () => {
  const { poke, settle, said, open } = signals();
  for (let n = 0; n < 5; n += 1) poke(key);
  poke({ owner: 'dev', id: 'ses_2' });
  expect(said.map(({ id }) => id)).toEqual(['ses_1', 'ses_2']);
  const settled = settle();
  open[0]?.go();
  open[1]?.go();
  await Promise.resolve();
  await Promise.resolve();
  expect(said.map(({ id }) => id)).toEqual(['ses_1', 'ses_2', 'ses_1']);
  open[2]?.go();
  await settled;
  poke(key);
  expect(said).toHaveLength(4);
  open[3]?.go();
  await settle();
});

it('one that is lost is told of, and fails nothing', async () => {
  const { poke, settle, open, telemetry } = signals();
  poke(key);
  open[0]?.fail();
  await settle();
  expect(telemetry.lines).toEqual([expect.objectContaining({ op: 'lambda.poke', sessionId: 'ses_1', detail: 'Error: Rate Exceeded.' })]);
  poke(key);
  open[1]?.go();
  await settle();
  expect(telemetry.lines).toHaveLength(1);
});

it('a change is heard of by those who wait in the same process', () => {
  const { onChange, changed } = signals();
  let heard = 0;
  const stop = onChange(key, () => {
    heard += 1;
  });
  changed(key);
  stop();
  changed(key);
  expect(heard).toBe(1);
});
