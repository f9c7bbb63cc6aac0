import type { Tag, TagSpecification } from '@aws-sdk/client-ec2';
import { refusal } from './errors.ts';

export type Tags = Readonly<Record<string, string>>;

const MAX_TAGS = 50;
const MAX_KEY = 128;
const MAX_VALUE = 256;

export const tagList = (tags: Tags): Tag[] => Object.entries(tags).map(([Key, Value]) => ({ Key, Value }));

/** @throws what AWS says of tags that it does not take */
export function readTags(list: readonly Tag[] | undefined, before: Tags = {}): Tags {
  const tags: Record<string, string> = { ...before };
  const seen = new Set<string>();
  for (const { Key: key = '', Value: value = '' } of list ?? []) {
    if (key === '' || key.length > MAX_KEY)
      throw refusal('InvalidParameterValue', `Tag key length ${key.length} is out of range [1-${MAX_KEY}]`);
    if (value.length > MAX_VALUE) throw refusal('InvalidParameterValue', `Tag value exceeds the maximum length of ${MAX_VALUE} characters`);
    if (/^aws:/i.test(key))
      throw refusal(
        'InvalidParameterValue',
        `Value ( ${key} ) for parameter key is invalid. Tag keys starting with 'aws:' are reserved for internal use`,
      );
    if (seen.has(key)) throw refusal('InvalidParameterValue', `Duplicate tag key '${key}' specified.`);
    seen.add(key);
    tags[key] = value;
  }
  if (Object.keys(tags).length > MAX_TAGS) throw refusal('TagLimitExceeded', 'The maximum number of Tags for a resource has been reached.');
  return tags;
}

/** Tags that a create gives to the things of one type. @throws for a type that it does not make */
export function tagsFor(specifications: TagSpecification[] | undefined, type: string, made: readonly string[]): Tags {
  let tags: Tags = {};
  for (const { ResourceType: resourceType = '', Tags: list } of specifications ?? []) {
    if (!made.includes(resourceType))
      throw refusal('InvalidParameterValue', `'${resourceType}' is not a valid taggable resource type for this operation.`);
    if (resourceType === type) tags = { ...tags, ...readTags(list) };
  }
  return tags;
}
