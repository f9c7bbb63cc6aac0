import { makeId } from '../../launcher/contract/fields.ts';
import type { AccessPort } from '../../launcher/ports/access.ts';
import type { BoxRef } from '../../launcher/ports/compute.ts';
import { type ComputeSubject, computeSuite } from '../contract/compute.suite.ts';
import { SeededRandom } from '../support/faults.ts';
import { launchRequestWith } from '../support/launch-request.ts';
import { driven } from './driver.ts';
import { machineOf, providerOn, templatesOn } from './ec2-subject.ts';
import { SimulatedMachine } from './simulated-machine.ts';
import { SimulatedAws } from './world.ts';

async function open(): Promise<ComputeSubject> {
  const aws = new SimulatedAws({ boot: SimulatedMachine.boot() });
  const { clock, pools, faults } = aws.cloud;
  pools.quotas.spotVcpus = 256;
  // The suite looks at once at what it has just done; what lags is another test's.
  faults.rates = { ...faults.rates, lagPerLook: 0 };
  const random = new SeededRandom(3);
  const id = (prefix: 'ws' | 'ses') => makeId(prefix, clock.now(), random.bytes(16));
  const provider = driven(providerOn(aws, await templatesOn(aws)), clock);
  const time = driven({ sleep: clock.sleep }, clock);
  const ready = async (box: BoxRef) => {
    await clock.until(() => machineOf(aws, box)?.state === 'ready');
    return machineOf(aws, box) as SimulatedMachine;
  };
  return {
    ports: provider as typeof provider & AccessPort,
    request: (patch) => launchRequestWith(id, { size: 'medium', ...patch }),
    ready,
    order: () => {},
    async write(box, path, line) {
      const machine = await ready(box);
      machine.write(path, line);
      machine.flush();
    },
    read: async (box, path) => (await ready(box)).read(path) ?? '',
    shell: async () => '',
    pause: (ms) => time.sleep(ms),
    close: async () => {},
  };
}

computeSuite('EC2, simulated', open, [
  {
    reason: 'a simulated box has no shell',
    tests: [
      'a snapshot gives back every byte, name, mode and link',
      'the canary of the report is in what is restored',
      'a live box stands still while it is copied, and goes on',
      'a quiet box writes nothing, takes no commands, and opens again when it is told',
    ],
  },
]);
