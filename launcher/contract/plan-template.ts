import * as z from 'zod';

/** A template that no cost can be computed of. */
export class TemplateError extends Error {
  override readonly name = 'TemplateError';
  constructor(
    message: string,
    /** What to do about it. */
    readonly advice?: string,
  ) {
    super(message);
  }
}

/** What CloudFormation takes at most. */
const TEMPLATE_RESOURCES = 500;

const templateSchema = z.object({
  Parameters: z.record(z.string(), z.looseObject({ Default: z.unknown() })).default({}),
  Resources: z.record(
    z.string(),
    z.object({ Type: z.string().min(1).max(256), Properties: z.record(z.string(), z.unknown()).default({}) }),
  ),
});

export interface Resource {
  id: string;
  type: string;
  properties: Readonly<Record<string, unknown>>;
}

export interface Template {
  resources: readonly Resource[];
  parameters: Readonly<Record<string, unknown>>;
}

/** The template that a JSON text has. Throws TemplateError. */
export function readTemplate(text: string): Template {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new TemplateError(
      'it is not JSON',
      'give the template that CDK makes: npm run deploy leaves dist/deploy/NAME/NAME.template.json',
    );
  }
  const parsed = templateSchema.safeParse(value);
  if (!parsed.success) throw new TemplateError('it is no CloudFormation template: it has no Resources with a Type each');
  const resources = Object.entries(parsed.data.Resources).map(([id, { Type: type, Properties: properties }]) => ({ id, type, properties }));
  if (resources.length === 0 || resources.length > TEMPLATE_RESOURCES)
    throw new TemplateError(`it has ${resources.length} resources: a template has from 1 to ${TEMPLATE_RESOURCES}`);
  const parameters = Object.fromEntries(Object.entries(parsed.data.Parameters).map(([name, { Default }]) => [name, Default]));
  return { resources, parameters };
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);

/** A value inside the properties, undefined where there is none; a parameter of the template stands for its default. */
export function valueAt(template: Template, resource: Resource, path: readonly string[]): unknown {
  let value: unknown = resource.properties;
  for (const name of path) value = isObject(value) ? value[name] : undefined;
  const parameter = isObject(value) ? value['Ref'] : undefined;
  return typeof parameter === 'string' && Object.hasOwn(template.parameters, parameter) ? template.parameters[parameter] : value;
}

/** A number among the properties. What is there and cannot be read is an error, lest it be taken for nothing. */
export function numberAt(template: Template, resource: Resource, path: readonly string[], fallback: number): number {
  const value = valueAt(template, resource, path);
  if (value === undefined) return fallback;
  const number = typeof value === 'string' && /^\d{1,12}$/.test(value) ? Number(value) : value;
  if (typeof number !== 'number' || !(number >= 0 && number <= Number.MAX_SAFE_INTEGER))
    throw new TemplateError(`${path.join('.')} of ${resource.id} is no number that can be read here`);
  return number;
}

export const listAt = (template: Template, resource: Resource, path: readonly string[]): readonly unknown[] => {
  const value = valueAt(template, resource, path);
  return Array.isArray(value) ? value : [];
};

/** What of a list is an object. */
export const objectsAt = (template: Template, resource: Resource, path: readonly string[]): Array<Record<string, unknown>> =>
  listAt(template, resource, path).filter(isObject);

/** The resource of this template that a value refers to by `Ref` or `Fn::GetAtt`. */
export function referred(template: Template, value: unknown): Resource | undefined {
  if (!isObject(value)) return undefined;
  const attribute = value['Fn::GetAtt'];
  const id = value['Ref'] ?? (Array.isArray(attribute) ? attribute[0] : undefined);
  return template.resources.find((resource) => resource.id === id);
}
