import { DevctlError } from './contract/errors.ts';
import { parseServeArgs } from './serve/config.ts';
import { reapOnce, startLauncher } from './serve/start.ts';

/** The launcher process: `launcher.cjs serve --home DIR …`. Prints one JSON line when it listens; errors are one JSON line on stderr. */
async function main(): Promise<void> {
  const config = parseServeArgs(process.argv.slice(2), process.env);
  if (config.reapOnce) {
    process.stdout.write(`${JSON.stringify(await reapOnce(config))}\n`);
    return;
  }
  const launcher = await startLauncher(config);
  let stopping = false;
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      if (stopping) return;
      stopping = true;
      void launcher.stop().then(
        () => process.exit(0),
        (error: unknown) => giveUp(error),
      );
    });
  }
  process.on('SIGHUP', () => {});
  process.stdout.write(`${JSON.stringify({ listening: launcher.url })}\n`);
}

function giveUp(error: unknown): never {
  const known = error instanceof DevctlError ? error : asUsageError(error);
  process.stderr.write(`${JSON.stringify({ error: known.toProblem() })}\n`);
  process.exit(known.spec.exit);
}

/** parseArgs throws TypeErrors with a code and a readable message. */
function asUsageError(error: unknown): DevctlError {
  const code = (error as { code?: unknown } | null)?.code;
  const message = error instanceof Error ? error.message : String(error);
  if (typeof code === 'string' && code.startsWith('ERR_PARSE_ARGS')) return new DevctlError('invalid_request', message);
  return new DevctlError('internal', message, { cause: error });
}

main().catch(giveUp);
