import type { Filter, Tag } from '@aws-sdk/client-ec2';
import { refusal } from './errors.ts';

/** Values of a resource's fields by the name of their filter. */
export type Fields<View> = Readonly<Record<string, (view: View) => Array<string | undefined>>>;

const escaped = (text: string): string => text.replace(/[.+^${}()|[\]\\]/g, '\\$&');
const pattern = (value: string): RegExp => new RegExp(`^${escaped(value).replace(/\*/g, '.*').replace(/\?/g, '.')}$`, 's');

/** Filters of a describe: all of them must match, each by one of its values; `*` and `?` are wildcards. */
export function matching<View extends { Tags?: Tag[] }>(filters: Filter[] | undefined, fields: Fields<View>): (view: View) => boolean {
  const tests = (filters ?? []).map(({ Name = '', Values = [] }) => {
    const patterns = Values.map(pattern);
    const values = valuesOf(Name, fields);
    return (view: View) => values(view).some((value) => value !== undefined && patterns.some((each) => each.test(value)));
  });
  return (view) => tests.every((test) => test(view));
}

function valuesOf<View extends { Tags?: Tag[] }>(name: string, fields: Fields<View>): (view: View) => Array<string | undefined> {
  if (name === 'tag-key') return (view) => (view.Tags ?? []).map(({ Key }) => Key);
  if (name.startsWith('tag:')) {
    const key = name.slice('tag:'.length);
    return (view) => (view.Tags ?? []).filter(({ Key }) => Key === key).map(({ Value }) => Value);
  }
  const field = Object.hasOwn(fields, name) ? fields[name] : undefined;
  if (field === undefined) throw refusal('InvalidParameterValue', `The filter '${name}' is invalid`);
  return field;
}
