import { describe } from 'vitest';
import { computeSuite } from '../contract/compute.suite.ts';
import { openSubject } from './local-harness.ts';

describe.each(['bubblewrap', 'unshare'] as const)('local provider on %s', (isolation) => {
  computeSuite(isolation, () => openSubject({ isolation }));
});
