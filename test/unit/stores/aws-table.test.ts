import type { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ensureAwsTable, tableDefinition } from '../../../launcher/stores/dynamo/table.ts';

/** A table of AWS just after it was made: active, and busy with each setting for a while. */
class YoungTable {
  readonly set: string[] = [];
  #status: string | null = null;
  /** Refusals left of each operation. */
  readonly refusals: Record<string, [name: string, times: number]> = {};

  async send(command: { constructor: { name: string } }): Promise<object> {
    const op = command.constructor.name.replace('Command', '');
    if (op === 'DescribeTable') {
      if (this.#status === null) throw this.#error('ResourceNotFoundException');
      return { Table: { TableStatus: this.#status, ...tableDefinition('devctl') } };
    }
    const [name, times] = this.refusals[op] ?? ['', 0];
    if (times > 0) {
      this.refusals[op] = [name, times - 1];
      throw this.#error(name);
    }
    if (op === 'CreateTable') this.#status = 'ACTIVE';
    this.set.push(op);
    return {};
  }

  #error(name: string): Error {
    return Object.assign(new NotFound(name), { name });
  }
}
const { ResourceNotFoundException } = await import('@aws-sdk/client-dynamodb');
class NotFound extends ResourceNotFoundException {
  constructor(message: string) {
    super({ message, $metadata: {} });
  }
}

describe('the table of an account', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());
  const ensured = async (table: YoungTable): Promise<string> => {
    const done = ensureAwsTable(table as unknown as DynamoDBClient, 'devctl').then(
      () => 'done',
      (error: Error) => error.name,
    );
    await vi.runAllTimersAsync();
    return done;
  };
  const ALL = ['CreateTable', 'UpdateTable', 'UpdateTimeToLive', 'UpdateContinuousBackups'];

  it('has all its settings, though it is busy with each of them for a while', async () => {
    const table = new YoungTable();
    table.refusals['UpdateTimeToLive'] = ['ResourceInUseException', 3];
    table.refusals['UpdateContinuousBackups'] = ['ContinuousBackupsUnavailableException', 20];
    expect(await ensured(table)).toBe('done');
    expect(table.set).toEqual(ALL);
  });

  it('is not waited for for ever, and not for what will not pass', async () => {
    const busy = new YoungTable();
    busy.refusals['UpdateTable'] = ['ResourceInUseException', Number.POSITIVE_INFINITY];
    expect(await ensured(busy)).toBe('ResourceInUseException');
    const denied = new YoungTable();
    denied.refusals['UpdateTimeToLive'] = ['AccessDeniedException', 1];
    expect(await ensured(denied)).toBe('AccessDeniedException');
    expect(denied.refusals['UpdateTimeToLive']).toEqual(['AccessDeniedException', 0]);
  });

  it('that is there already is left as it is', async () => {
    const table = new YoungTable();
    await ensured(table);
    await ensured(table);
    expect(table.set).toEqual(ALL);
  });
});
