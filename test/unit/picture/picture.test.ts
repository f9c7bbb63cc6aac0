import { describe, expect, it } from 'vitest';
import { graphOf } from '../../../.ci/picture/graph.ts';
import { wrap } from '../../../.ci/picture/layout.ts';
import { Router } from '../../../.ci/picture/route.ts';
import { svgOf } from '../../../.ci/picture/svg.ts';
import { readTemplate } from '../../../launcher/contract/plan-template.ts';
import { drawn, expectReadable } from '../../support/drawing.ts';
import { templateOf } from '../../support/template.ts';

const graph = (resources: Record<string, unknown> = {}) => graphOf(readTemplate(JSON.stringify(templateOf(resources))));
const svg = (resources: Record<string, unknown> = {}): string => svgOf(graph(resources), 'a & b');
const policy = (...Statement: unknown[]) => ({ PolicyDocument: { Statement } });
const allow = (Action: string, Resource: unknown) => ({ Effect: 'Allow', Action, Resource });

describe('the graph of a template', () => {
  it('says who uses whom, by references', () => {
    const { edges } = graph();
    expect(edges).toEqual(
      expect.arrayContaining([
        { from: 'Url', to: 'Api', kind: 'uses' },
        { from: 'Minute', to: 'Events', kind: 'uses' },
        { from: 'group:launcher', to: 'LauncherRole', kind: 'may' },
        { from: 'AWS::CloudWatch::Alarm', to: 'Topic', kind: 'uses' },
        { from: 'LaunchTemplate', to: 'boxes', kind: 'uses' },
      ]),
    );
    expect(edges.some(({ to }) => to === 'Table')).toBe(false);
  });

  it('says what a role lets a function do, by ARNs that are written out, and not what it is denied', () => {
    const arn = (name: string) => ({ 'Fn::Join': ['', ['arn:', { Ref: 'AWS::Partition' }, `:dynamodb:eu-central-1:1:table/${name}`]] });
    const role = { Roles: [{ Ref: 'LauncherRole' }] };
    const may = { Type: 'AWS::IAM::Policy', Properties: { ...role, ...policy(allow('dynamodb:GetItem', [arn('devctl')])) } };
    const edge = { from: 'group:launcher', to: 'Table', kind: 'uses' };
    expect(graph({ May: may }).edges).toContainEqual(edge);
    const denied = { ...allow('dynamodb:GetItem', arn('devctl')), Effect: 'Deny' };
    for (const statement of [denied, allow('dynamodb:GetItem', arn('devctl-2')), allow('dynamodb:DescribeTable', arn('devctl'))])
      expect(graph({ May: { Type: 'AWS::IAM::Policy', Properties: { ...role, ...policy(statement) } } }).edges).not.toContainEqual(edge);
  });

  it('has people where a policy lets its holder call the API, and boxes that have the role of their profile', () => {
    expect(graph().nodes.map(({ id }) => id)).not.toContain('people');
    const call = allow('lambda:InvokeFunctionUrl', { 'Fn::GetAtt': ['Api', 'Arn'] });
    const { edges } = graph({
      User: { Type: 'AWS::IAM::ManagedPolicy', Properties: policy(call) },
      BoxRole: { Type: 'AWS::IAM::Role', Properties: { Policies: [policy(call)] } },
      Profile: { Type: 'AWS::IAM::InstanceProfile', Properties: { Roles: [{ Ref: 'BoxRole' }] } },
    });
    expect(edges).toEqual(
      expect.arrayContaining([
        { from: 'people', to: 'User', kind: 'may' },
        { from: 'people', to: 'Url', kind: 'uses' },
        { from: 'boxes', to: 'BoxRole', kind: 'may' },
        { from: 'boxes', to: 'Url', kind: 'uses' },
      ]),
    );
  });

  it('shows a type that it does not know by its name', () => {
    expect(graph({ Database: { Type: 'AWS::RDS::DBInstance' } }).nodes).toContainEqual(
      expect.objectContaining({ group: 'others', title: 'Database', lines: ['AWS::RDS::DBInstance'] }),
    );
  });
});

describe('the picture of a template', () => {
  it('has nothing on top of anything else, however much there is', () => {
    expectReadable(svg());
    const many = Array.from({ length: 12 }, (_, n) => [
      `Queue${n}`,
      { Type: 'AWS::SQS::Queue', Properties: { QueueName: `a-queue-whose-name-is-too-long-for-one-line-${n}` } },
    ]);
    expectReadable(svg(Object.fromEntries(many)));
    expect(drawn(svg()).arrows).toHaveLength(graph().edges.length);
  });

  it('is the same for the same template, and another one for another', () => {
    expect(svg()).toBe(svg());
    for (const more of [{ Another: { Type: 'AWS::SQS::Queue' } }, { Table: { Type: 'AWS::DynamoDB::Table' } }])
      expect(svg(more)).not.toBe(svg());
  });

  it('is XML whatever things are called', () => {
    const text = svg({ Odd: { Type: 'AWS::SNS::Topic', Properties: { TopicName: '<b>&"' } } });
    expect(text).toContain('&lt;b&gt;&amp;&quot;');
    expect(text).toContain('aria-label="a &amp; b"');
  });
});

describe('words in lines', () => {
  it.each([
    ['one two three', 7, ['one two', 'three']],
    ['devctl-rules-dead-letters', 16, ['devctl-rules-', 'dead-letters']],
    ['abcdefghij', 4, ['abcd', 'efgh', 'ij']],
    ['', 4, []],
  ])('%s', (text, letters, lines) => expect(wrap(text, letters)).toEqual(lines));
});

describe('the way of an edge', () => {
  const from = { x: 80, y: 80, width: 80, height: 80 };
  const to = { x: 400, y: 80, width: 80, height: 80 };

  it('is straight where it can be, and leads around what is in its way', () => {
    expect(new Router(600, 400, [from, to], []).route({ from, to, key: 'a' })).toHaveLength(2);
    const wall = { x: 240, y: 0, width: 40, height: 240 };
    const around = new Router(600, 400, [from, to, wall], []).route({ from, to, key: 'a' });
    expect(Math.max(...around.map(({ y }) => y))).toBeGreaterThan(240);
  });

  it('is one of its own', () => {
    const router = new Router(600, 400, [from, to], []);
    const ys = ['a', 'b', 'c'].map((key) => router.route({ from, to, key })[0]?.y);
    expect(new Set(ys).size).toBe(3);
  });

  it('that there is none is an error', () => {
    const wall = { x: 240, y: 0, width: 40, height: 400 };
    expect(() => new Router(600, 400, [from, to, wall], []).route({ from, to, key: 'a' })).toThrow('no way for a');
  });
});
