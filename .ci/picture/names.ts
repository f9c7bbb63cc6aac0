// What the parts of a template call each other by: references, and ARNs that are written out with names.
import type { Resource, Template } from '../../launcher/contract/plan-template.ts';

type Json = unknown;
const isObject = (value: Json): value is Record<string, Json> => typeof value === 'object' && value !== null && !Array.isArray(value);

/** Where a reference stands in a text that is put together. */
const mark = (id: string): string => `\u0001${id}\u0001`;

/** A value as text: what CloudFormation would put together of it, with a mark where it would fill something in. */
export function textOf(value: Json): string {
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return String(value);
  if (Array.isArray(value)) return value.map(textOf).join(' ');
  if (!isObject(value)) return '';
  const { Ref: reference, 'Fn::GetAtt': attribute, 'Fn::Join': join, 'Fn::Sub': sub } = value;
  if (typeof reference === 'string') return mark(reference);
  if (Array.isArray(attribute)) return mark(String(attribute[0]));
  if (Array.isArray(join) && Array.isArray(join[1])) return join[1].map(textOf).join(String(join[0]));
  if (sub !== undefined) return textOf(sub).replace(/\$\{([\w:]+)(?:\.\w+)?\}/g, (_, id: string) => mark(id));
  return Object.values(value).map(textOf).join(' ');
}

/** The property that names a resource in its account, and what stands before that name in an ARN. */
const NAMING: Readonly<Record<string, readonly [property: string, before: string]>> = {
  'AWS::CloudWatch::Dashboard': ['DashboardName', ':dashboard/'],
  'AWS::CodeBuild::Project': ['Name', ':project/'],
  'AWS::DynamoDB::Table': ['TableName', ':table/'],
  'AWS::EC2::LaunchTemplate': ['LaunchTemplateName', ':launch-template/'],
  'AWS::IAM::InstanceProfile': ['InstanceProfileName', ':instance-profile/'],
  'AWS::IAM::ManagedPolicy': ['ManagedPolicyName', ':policy/'],
  'AWS::IAM::Role': ['RoleName', ':role/'],
  'AWS::Lambda::Function': ['FunctionName', ':function:'],
  'AWS::Logs::LogGroup': ['LogGroupName', ':log-group:'],
  'AWS::S3::Bucket': ['BucketName', ':s3:::'],
  'AWS::SNS::Topic': ['TopicName', ':'],
  'AWS::SQS::Queue': ['QueueName', ':'],
  'AWS::SSM::Document': ['Name', ':document/'],
  'AWS::SSM::Parameter': ['Name', ':parameter'],
  'AWS::SecretsManager::Secret': ['Name', ':secret:'],
};

/** What a resource is called in its account, as far as the template says it. */
export function nameOf({ type, properties }: Resource): string | null {
  const property = NAMING[type]?.[0];
  const name = property === undefined ? '' : textOf(properties[property]);
  return name === '' || name.includes('\u0001') ? null : name;
}

const escaped = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');

/** Whether a text refers to a resource: by reference, by its ARN, or by its name alone in quotes (as settings are written). */
export function mentions(text: string, resource: Resource): boolean {
  if (text.includes(mark(resource.id))) return true;
  const name = nameOf(resource);
  const before = NAMING[resource.type]?.[1];
  if (name === null || before === undefined) return false;
  return new RegExp(`${escaped(before)}${escaped(name)}(?!-?[\\w/])`).test(text) || text.includes(`"${name}"`);
}

/** A statement of a policy that allows something. */
export interface Allowed {
  actions: string[];
  resources: string;
  conditions: string;
}

const listOf = (value: Json): Json[] => (Array.isArray(value) ? value : value === undefined ? [] : [value]);

export function allowedBy(document: Json): Allowed[] {
  return listOf(isObject(document) ? document['Statement'] : undefined)
    .filter(isObject)
    .filter((statement) => statement['Effect'] === 'Allow')
    .map((statement) => ({
      actions: listOf(statement['Action']).map(String),
      resources: textOf(statement['Resource']),
      conditions: textOf(statement['Condition']),
    }));
}

/** Policies that are attached to a role, with those that are written into it. */
export function allowedTo(template: Template, role: Resource): Allowed[] {
  const own = listOf(role.properties['Policies']).filter(isObject);
  const attached = template.resources.filter(({ properties }) => textOf(properties['Roles']).includes(mark(role.id)));
  return [...own, ...attached.map(({ properties }) => properties)].flatMap((policy) => allowedBy(policy['PolicyDocument']));
}

export const allows = (statements: readonly Allowed[], action: string, resource?: Resource): boolean =>
  statements.some((statement) => statement.actions.includes(action) && (resource === undefined || mentions(statement.resources, resource)));
