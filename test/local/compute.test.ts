import { computeSuite } from '../contract/compute.suite.ts';
import { eachIsolation } from './isolations.ts';
import { openSubject } from './local-harness.ts';

eachIsolation('local provider on %s', (isolation) => {
  computeSuite(isolation, () => openSubject({ isolation }));
});
