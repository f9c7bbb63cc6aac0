import type { CfnTag } from 'aws-cdk-lib';
import type { TargetConfig } from '../config.ts';

/** What everything carries, for whoever sweeps the account. */
export const tagsOf = ({ ttl }: Pick<TargetConfig, 'ttl'>): CfnTag[] => [
  { key: 'env', value: 'dev' },
  { key: 'owner', value: 'ai' },
  { key: 'ttl', value: ttl },
];
