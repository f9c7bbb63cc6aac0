import { describe, expect, it } from 'vitest';
import { FailureGate, networkOf } from '../../../launcher/api/gates.ts';
import { LIMITS } from '../../../launcher/core/limits.ts';

describe('where a request comes from', () => {
  it.each([
    ['203.0.113.7', '203.0.113.7'],
    ['::ffff:203.0.113.7', '203.0.113.7'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2'],
    ['2001:db8::1', '2001:db8:0:0'],
    ['2001:db8:1:2::', '2001:db8:1:2'],
    ['1::3:4:5:6:7:8', '1:0:3:4'],
    ['::1', '0:0:0:0'],
    ['fe80::1%eth0', 'fe80:0:0:0'],
    ['', ''],
  ])('%s is %s', (address, network) => {
    expect(networkOf(address)).toBe(network);
  });
});

describe('failures', () => {
  const isOpen = (gate: FailureGate, address: string): boolean => {
    try {
      gate.assertOpen(address, null, 0);
      return true;
    } catch {
      return false;
    }
  };

  it('are remembered of a bounded number of addresses', () => {
    const gate = new FailureGate({ ...LIMITS, authFailureBurst: 1, rateKeys: 2 });
    for (const address of ['a', 'b']) gate.failed(address, null, 0);
    expect(['a', 'b', 'c'].map((address) => isOpen(gate, address))).toEqual([false, false, true]);
    gate.failed('c', null, 0);
    expect(['a', 'b', 'c'].map((address) => isOpen(gate, address))).toEqual([true, false, false]);
  });
});
