import { afterAll, afterEach, beforeAll, beforeEach, describe } from 'vitest';
import { openBench, type StoreBench, type StoreServer } from './store/bench.ts';
import { budgetCases } from './store/budgets.ts';
import { chargeCases } from './store/charges.ts';
import { lostAnswerCases } from './store/lost-answers.ts';
import { poolCases } from './store/pool.ts';
import { recordCases } from './store/records.ts';
import { sessionCases } from './store/sessions.ts';
import { snapshotCases } from './store/snapshots.ts';
import { turnCases } from './store/turns.ts';
import { usageCases } from './store/usage.ts';

/** What every server under the DynamoDB adapter must do. Each test has a table of its own. */
export function storeContract(name: string, open: () => Promise<StoreServer>): void {
  describe(`store on ${name}`, () => {
    let server: StoreServer;
    let bench: StoreBench;

    beforeAll(async () => {
      server = await open();
    });
    afterAll(() => server?.close());
    beforeEach(async () => {
      bench = await openBench(server);
    });

    afterEach(() => bench.close());

    const current = (): StoreBench => bench;
    sessionCases(current);
    recordCases(current);
    snapshotCases(current);
    usageCases(current);
    chargeCases(current);
    budgetCases(current);
    poolCases(current);
    turnCases(current);
    lostAnswerCases(current);
  });
}
