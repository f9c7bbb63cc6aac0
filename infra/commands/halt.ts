import { DeleteFunctionConcurrencyCommand, GetFunctionConcurrencyCommand, PutFunctionConcurrencyCommand } from '@aws-sdk/client-lambda';
import type { TargetConfig } from '../config.ts';
import type { Names } from '../names.ts';
import { ruleNames } from '../stack/triggers.ts';
import type { Account } from './account.ts';
import { QueryError, switchRule } from './query.ts';
import type { Surroundings } from './terminal.ts';

export interface Halted {
  /** Lets the launcher work again. */
  putBack(): Promise<void>;
}

/**
 * Nothing wakes the launcher any more, and no call of it begins: concurrency 0 refuses every call (Lambda guide, "Configuring reserved
 * concurrency"). A call that runs already goes on. When it fails halfway, what was stopped is put back.
 */
export async function halt(account: Account, names: Names, config: TargetConfig, say: Surroundings['say']): Promise<Halted> {
  say('stopping the launcher: its rules, then its functions');
  const undo: (() => Promise<void>)[] = [];
  const putBack = async (): Promise<void> => {
    say('putting the launcher back: it works again');
    for (const step of undo.splice(0).reverse()) await step();
  };
  try {
    for (const rule of ruleNames(names)) {
      undo.push(() => unlessGone(() => switchRule(account.query, 'EnableRule', rule)));
      await unlessGone(() => switchRule(account.query, 'DisableRule', rule));
    }
    await haltFunction(account, names.eventsFunction, config.reservedConcurrency?.events, undo);
    await haltFunction(account, names.apiFunction, config.reservedConcurrency?.api, undo);
  } catch (error) {
    await putBack();
    throw error;
  }
  return { putBack };
}

/** @param planned what the file says: 0 in the account is left of a run that was cut off, and never what a stack has */
async function haltFunction(
  { lambda }: Account,
  FunctionName: string,
  planned: number | undefined,
  undo: (() => Promise<void>)[],
): Promise<void> {
  await unlessGone(async () => {
    const { ReservedConcurrentExecutions: found } = await lambda.send(new GetFunctionConcurrencyCommand({ FunctionName }));
    const before = found === 0 ? planned : found;
    undo.push(() =>
      unlessGone(async () => {
        if (before === undefined) await lambda.send(new DeleteFunctionConcurrencyCommand({ FunctionName }));
        else await lambda.send(new PutFunctionConcurrencyCommand({ FunctionName, ReservedConcurrentExecutions: before }));
      }),
    );
    await lambda.send(new PutFunctionConcurrencyCommand({ FunctionName, ReservedConcurrentExecutions: 0 }));
  });
}

/** What an earlier run has taken away already needs no stop. */
async function unlessGone(step: () => Promise<void>): Promise<void> {
  try {
    await step();
  } catch (error) {
    const code = error instanceof QueryError ? error.code : (error as Error).name;
    if (code !== 'ResourceNotFoundException') throw error;
  }
}
