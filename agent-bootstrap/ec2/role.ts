import { join } from 'node:path';
import type { Log, MachineRole } from '../ports.ts';
import type { SecretMask } from '../secret-mask.ts';
import { CredentialsEndpoint } from './credentials-endpoint.ts';
import type { Metadata } from './metadata.ts';
import { SecretsManager } from './secrets-manager.ts';

interface RoleOptions {
  metadata: Metadata;
  region: string;
  /** Folder of the box in memory. */
  run: string;
  mask: SecretMask;
  log: Log;
}

/** The role of an instance. */
export function instanceRole({ metadata, region, run, mask, log }: RoleOptions): MachineRole {
  const secrets = new SecretsManager(metadata);
  const endpoint = new CredentialsEndpoint({ metadata, region, notePath: join(run, 'agent', 'credentials-endpoint'), mask, log });
  return {
    readSecret: (name, reference) => secrets.read(name, reference),
    lend: () => endpoint.open(),
    recall: () => endpoint.close(),
  };
}
