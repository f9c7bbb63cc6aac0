// What a template deploys, as a graph: nodes in groups, and who uses whom. All of it is read from the template.
import { listAt, type Resource, referred, type Template, valueAt } from '../../launcher/contract/plan-template.ts';
import { type Allowed, allowedBy, allowedTo, allows, mentions, textOf } from './names.ts';
import { type GroupKey, partOf, rankOf } from './parts.ts';

export interface GraphNode {
  id: string;
  group: GroupKey;
  title: string;
  lines: string[];
  /** Names in the template; none of what is outside of it. */
  resources: string[];
}

/** `uses`: calls, reads or starts; `may`: has its rights from, or is bounded by; `fails`: where what went wrong goes. */
export type EdgeKind = 'uses' | 'may' | 'fails';

export interface Edge {
  /** A node, or `group:` and its key where all of a group do. */
  from: string;
  to: string;
  kind: EdgeKind;
}

export interface Graph {
  nodes: GraphNode[];
  edges: Edge[];
}

const PEOPLE = 'people';
const BOXES = 'boxes';
const MAIL = 'mail';

/** People, running boxes and mailboxes are in no template: they are there where something in it speaks of them. */
function outsiders(template: Template): GraphNode[] {
  const { resources } = template;
  const mails = mailsOf(template);
  const nodes: GraphNode[] = [];
  const outsider = (id: string, group: GroupKey, title: string, lines: string[]) => nodes.push({ id, group, title, lines, resources: [] });
  if (policiesOfPeople(template).length > 0) outsider(PEOPLE, 'callers', 'People', ['devctl, with their AWS credentials']);
  if (resources.some(({ type }) => type === 'AWS::EC2::LaunchTemplate'))
    outsider(BOXES, 'callers', 'Running boxes', ['the agent of each, with the role of boxes']);
  if (mails > 0) outsider(MAIL, 'guardrails', 'E-mail', [`${mails} address${mails === 1 ? '' : 'es'}`]);
  return nodes;
}

function mailsOf({ resources }: Template): number {
  const endpoints = resources
    .filter(({ properties }) => properties['Protocol'] === 'email')
    .map(({ properties }) => textOf(properties['Endpoint']));
  const subscribers = resources
    .filter(({ type }) => type === 'AWS::Budgets::Budget')
    .flatMap(({ properties }) => textOf(properties['NotificationsWithSubscribers']).match(/\S+@\S+/g) ?? []);
  return new Set([...endpoints, ...subscribers]).size;
}

const urlOf = ({ resources }: Template): Resource | undefined => resources.find(({ type }) => type === 'AWS::Lambda::Url');

/** Managed policies that no role has and that let their holder call the API. */
const policiesOfPeople = (template: Template): Resource[] =>
  template.resources.filter(
    (resource) =>
      resource.type === 'AWS::IAM::ManagedPolicy' &&
      partOf(resource, template) !== null &&
      urlOf(template) !== undefined &&
      allows(allowedBy(resource.properties['PolicyDocument']), 'lambda:InvokeFunctionUrl'),
  );

type Found = [from: string, to: string, kind: EdgeKind];

/** What a function reads, writes and calls: as its role allows, or as its settings name it. */
function usesOf(template: Template, lambda: Resource): Found[] {
  const role = referred(template, lambda.properties['Role']);
  const allowed: Allowed[] = role ? allowedTo(template, role).filter(({ actions }) => !actions.every(isLook)) : [];
  const settings = textOf(lambda.properties['Environment']);
  const used = template.resources.filter(
    (other) =>
      other.id !== lambda.id &&
      USABLE.has(other.type) &&
      (allowed.some(({ resources }) => mentions(resources, other)) || mentions(settings, other)),
  );
  const found = used.map((other): Found => [lambda.id, other.id, 'uses']);
  return role ? [...found, [lambda.id, role.id, 'may']] : found;
}

/** What a role is of use for; the rest of what it names is looked at or passed on. */
const USABLE = new Set([
  'AWS::CodeBuild::Project',
  'AWS::DynamoDB::Table',
  'AWS::EC2::LaunchTemplate',
  'AWS::Lambda::Function',
  'AWS::Logs::LogGroup',
  'AWS::S3::Bucket',
  'AWS::SSM::Parameter',
  'AWS::SecretsManager::Secret',
]);

/** Only looks at what a thing is, and not into it. */
const isLook = (action: string): boolean => /:(?:Describe|Get\w+Configuration|GetRole)/.test(action);

/** What a resource does by itself. */
function edgesOf(template: Template, resource: Resource): Found[] {
  const { id, type, properties } = resource;
  const to = (value: unknown, kind: EdgeKind = 'uses'): Found[] =>
    template.resources.filter((other) => other.id !== id && mentions(textOf(value), other)).map((other) => [id, other.id, kind]);
  switch (type) {
    case 'AWS::Events::Rule':
      return (listAt(template, resource, ['Targets']) as Array<Record<string, unknown>>).flatMap((target) => [
        ...to(target['Arn']),
        ...to(target['DeadLetterConfig'], 'fails'),
      ]);
    case 'AWS::Scheduler::Schedule':
      return to(valueAt(template, resource, ['Target', 'Arn']));
    case 'AWS::Lambda::Url':
      return to(properties['TargetFunctionArn']);
    case 'AWS::Lambda::Function':
      return usesOf(template, resource);
    case 'AWS::Lambda::EventInvokeConfig': {
      const from = referred(template, properties['FunctionName']);
      return from ? to(properties['DestinationConfig'], 'fails').map(([, queue, kind]) => [from.id, queue, kind]) : [];
    }
    case 'AWS::EC2::LaunchTemplate':
      return [[id, BOXES, 'uses'], ...to(valueAt(template, resource, ['LaunchTemplateData', 'NetworkInterfaces']))];
    case 'AWS::EC2::SecurityGroup':
      return to(properties['VpcId']);
    case 'AWS::CloudWatch::Alarm':
      return to(properties['AlarmActions']);
    case 'AWS::SNS::Subscription':
      return properties['Protocol'] === 'email' ? [[referred(template, properties['TopicArn'])?.id ?? id, MAIL, 'uses']] : [];
    case 'AWS::Budgets::Budget':
      return textOf(properties['NotificationsWithSubscribers']).includes('@')
        ? [[id, MAIL, 'uses']]
        : to(properties['NotificationsWithSubscribers']);
    case 'AWS::IAM::Role':
      return to(properties['PermissionsBoundary'], 'may');
    case 'AWS::IAM::ManagedPolicy':
      return policyEdges(template, resource);
    default:
      return [];
  }
}

/** To roles that a policy lets its holder take, and to the boundary that it asks for. */
function policyEdges(template: Template, policy: Resource): Found[] {
  const allowed = allowedBy(policy.properties['PolicyDocument']);
  const roles = template.resources.filter((role) => role.type === 'AWS::IAM::Role' && allows(allowed, 'sts:AssumeRole', role));
  const boundaries = template.resources.filter(
    (other) =>
      other.type === 'AWS::IAM::ManagedPolicy' && other.id !== policy.id && allowed.some(({ conditions }) => mentions(conditions, other)),
  );
  return [...roles, ...boundaries].map((other) => [policy.id, other.id, 'may']);
}

/** What people and boxes do, as the policies say that are made for them. */
function outsiderEdges(template: Template): Found[] {
  const url = urlOf(template);
  const found: Found[] = [];
  for (const policy of policiesOfPeople(template)) {
    found.push([PEOPLE, policy.id, 'may']);
    if (url) found.push([PEOPLE, url.id, 'uses']);
    const document = template.resources.find(({ type }) => type === 'AWS::SSM::Document');
    const allowed = allowedBy(policy.properties['PolicyDocument']);
    if (document && allows(allowed, 'ssm:StartSession', document)) found.push([PEOPLE, document.id, 'uses'], [document.id, BOXES, 'uses']);
  }
  for (const profile of template.resources.filter(({ type }) => type === 'AWS::IAM::InstanceProfile')) {
    for (const role of template.resources.filter(
      (other) => other.type === 'AWS::IAM::Role' && mentions(textOf(profile.properties['Roles']), other),
    )) {
      found.push([BOXES, role.id, 'may']);
      const allowed = allowedTo(template, role);
      if (url && allows(allowed, 'lambda:InvokeFunctionUrl')) found.push([BOXES, url.id, 'uses']);
      const used = template.resources.filter(({ type }) => USABLE.has(type) && type !== 'AWS::Lambda::Function');
      for (const other of used) if (allowed.some(({ resources }) => mentions(resources, other))) found.push([BOXES, other.id, 'uses']);
    }
  }
  return found;
}

/** Edges that every node of a group of several has to the same node become one, of the group. */
function bundled(edges: readonly Edge[], nodes: readonly GraphNode[]): Edge[] {
  const lambdas = nodes.filter(({ group, lines }) => group === 'launcher' && lines[0] === 'Lambda').map(({ id }) => id);
  const isShared = ({ to, kind }: Edge): boolean =>
    lambdas.length > 1 && lambdas.every((from) => edges.some((edge) => edge.from === from && edge.to === to && edge.kind === kind));
  const bundles = edges.map((edge) => (lambdas.includes(edge.from) && isShared(edge) ? { ...edge, from: 'group:launcher' } : edge));
  return bundles.filter((edge, index) => bundles.findIndex((other) => sameEdge(other, edge)) === index);
}

const sameEdge = (a: Edge, b: Edge): boolean => a.from === b.from && a.to === b.to && a.kind === b.kind;

export function graphOf(template: Template): Graph {
  const nodes = outsiders(template);
  const nodeOf = new Map<string, string>(nodes.map(({ id }) => [id, id]));
  const ranked = [...template.resources].sort((a, b) => rankOf(a.type) - rankOf(b.type));
  for (const resource of ranked) {
    const part = partOf(resource, template);
    if (part === null) continue;
    const known = nodes.find(({ id }) => id === part.key);
    if (known) {
      known.resources.push(resource.id);
      known.lines.push(...part.lines.filter((line) => !known.lines.includes(line)));
    } else nodes.push({ id: part.key, group: part.group, title: part.title, lines: [...part.lines], resources: [resource.id] });
    nodeOf.set(resource.id, part.key);
  }
  nodes.sort((a, b) => Number(a.id === MAIL) - Number(b.id === MAIL));
  const found = [...template.resources.flatMap((resource) => edgesOf(template, resource)), ...outsiderEdges(template)];
  const edges: Edge[] = [];
  for (const [from, to, kind] of found) {
    const edge = { from: nodeOf.get(from) ?? '', to: nodeOf.get(to) ?? '', kind };
    if (edge.from !== '' && edge.to !== '' && edge.from !== edge.to && !edges.some((other) => sameEdge(other, edge))) edges.push(edge);
  }
  return { nodes, edges: bundled(edges, nodes) };
}
