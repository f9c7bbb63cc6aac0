import { randomBytes } from 'node:crypto';
import type { LaunchRequest } from '../../launcher/ports/compute.ts';

export type LaunchPatch = Partial<Omit<LaunchRequest, 'tags'>> & { tags?: Partial<LaunchRequest['tags']> };

/** The launch of a blank box for a new workspace and session, unless the patch says something else. */
export function launchRequestWith(newId: (prefix: 'ws' | 'ses') => string, { tags, ...rest }: LaunchPatch = {}): LaunchRequest {
  return {
    source: { kind: 'blank' },
    size: 'small',
    policy: 'spot-preferred',
    instanceTypes: [],
    arch: null,
    network: true,
    persistent: false,
    parked: null,
    pooled: null,
    boxToken: `dvb_${randomBytes(32).toString('base64url')}`,
    providerState: null,
    ...rest,
    tags: {
      owner: 'dev',
      workspace: 'shop',
      workspaceId: newId('ws'),
      sessionId: newId('ses'),
      generation: 1,
      operationId: `op-${randomBytes(8).toString('hex')}`,
      ...tags,
    },
  };
}
