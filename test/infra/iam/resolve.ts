export interface Template {
  Parameters?: Record<string, { Default?: string; Type: string }>;
  Conditions?: Record<string, unknown>;
  Mappings?: Record<string, Record<string, Record<string, unknown>>>;
  Resources: Record<string, Resource>;
}

export interface Resource {
  Type: string;
  Properties?: Record<string, unknown>;
  Condition?: string;
}

export interface Where {
  account: string;
  region: string;
  /** Values of the template's parameters, where they are not the default. */
  parameters?: Readonly<Record<string, string>>;
}

type Args = readonly unknown[];

/** Where the name of a resource stands, and the ARN that it makes; what has no name of its own is called by its logical id. */
const ARNS: Readonly<Record<string, { name: string; arn: (name: string, place: string) => string }>> = {
  'AWS::CodeBuild::Project': { name: 'Name', arn: (name, place) => `arn:aws:codebuild:${place}:project/${name}` },
  'AWS::DynamoDB::GlobalTable': { name: 'TableName', arn: (name, place) => `arn:aws:dynamodb:${place}:table/${name}` },
  'AWS::DynamoDB::Table': { name: 'TableName', arn: (name, place) => `arn:aws:dynamodb:${place}:table/${name}` },
  'AWS::ECR::Repository': { name: 'RepositoryName', arn: (name, place) => `arn:aws:ecr:${place}:repository/${name}` },
  'AWS::IAM::InstanceProfile': {
    name: 'InstanceProfileName',
    arn: (name, place) => `arn:aws:iam::${place.split(':')[1]}:instance-profile/${name}`,
  },
  'AWS::IAM::ManagedPolicy': { name: 'ManagedPolicyName', arn: (name, place) => `arn:aws:iam::${place.split(':')[1]}:policy/${name}` },
  'AWS::IAM::Role': { name: 'RoleName', arn: (name, place) => `arn:aws:iam::${place.split(':')[1]}:role/${name}` },
  'AWS::KMS::Key': { name: '', arn: (name, place) => `arn:aws:kms:${place}:key/${name}` },
  'AWS::Lambda::Function': { name: 'FunctionName', arn: (name, place) => `arn:aws:lambda:${place}:function:${name}` },
  'AWS::Logs::LogGroup': { name: 'LogGroupName', arn: (name, place) => `arn:aws:logs:${place}:log-group:${name}:*` },
  'AWS::S3::Bucket': { name: 'BucketName', arn: (name) => `arn:aws:s3:::${name}` },
  'AWS::SNS::Topic': { name: 'TopicName', arn: (name, place) => `arn:aws:sns:${place}:${name}` },
  'AWS::SQS::Queue': { name: 'QueueName', arn: (name, place) => `arn:aws:sqs:${place}:${name}` },
  'AWS::SSM::Parameter': { name: 'Name', arn: (name, place) => `arn:aws:ssm:${place}:parameter${name}` },
  'AWS::SecretsManager::Secret': { name: 'Name', arn: (name, place) => `arn:aws:secretsmanager:${place}:secret:${name}-AbCdEf` },
};
/** Their `Ref` is the ARN. */
const REF_IS_ARN = new Set(['AWS::IAM::ManagedPolicy', 'AWS::SNS::Topic', 'AWS::SecretsManager::Secret']);

const NOTHING = Symbol('AWS::NoValue');

/** What CloudFormation would make of the values of a template in one account. What it does not know it refuses: nothing is guessed. */
export class Resolver {
  readonly #template: Template;
  readonly #where: Where;

  constructor(template: Template, where: Where) {
    this.#template = template;
    this.#where = where;
  }

  /** The value with every function in it carried out. */
  value(given: unknown): unknown {
    if (Array.isArray(given)) return given.map((item) => this.value(item)).filter((item) => item !== NOTHING);
    if (given === null || typeof given !== 'object') return given;
    const entries = Object.entries(given);
    const [first] = entries;
    if (entries.length === 1 && first && (first[0] === 'Ref' || first[0].startsWith('Fn::'))) return this.#call(first[0], first[1]);
    return Object.fromEntries(entries.map(([key, inner]) => [key, this.value(inner)]).filter(([, inner]) => inner !== NOTHING));
  }

  text(given: unknown): string {
    const value = this.value(given);
    if (typeof value !== 'string') throw new Error(`${JSON.stringify(given)} is no text`);
    return value;
  }

  arnOf(id: string): string {
    const kind = ARNS[this.#resource(id).Type];
    if (kind === undefined) throw new Error(`the ARN of a ${this.#resource(id).Type} (${id}) is not known here`);
    const { account, region } = this.#where;
    return kind.arn(this.nameOf(id), `${region}:${account}`);
  }

  nameOf(id: string): string {
    const { Type, Properties = {} } = this.#resource(id);
    const field = ARNS[Type]?.name ?? '';
    return Properties[field] === undefined ? id : this.text(Properties[field]);
  }

  isMade({ Condition }: Resource): boolean {
    return Condition === undefined || this.#condition(Condition);
  }

  #resource(id: string): Resource {
    const found = this.#template.Resources[id];
    if (found === undefined) throw new Error(`there is no resource ${id} in the template`);
    return found;
  }

  #call(name: string, args: unknown): unknown {
    switch (name) {
      case 'Ref':
        return this.#ref(String(args));
      case 'Fn::GetAtt':
        return this.#attribute(Array.isArray(args) ? args.map(String).join('.') : String(args));
      case 'Fn::Join':
        return this.#list((args as Args)[1]).join(String((args as Args)[0]));
      case 'Fn::Sub':
        return this.#sub(args);
      case 'Fn::If':
        return this.value((args as Args)[this.#condition(String((args as Args)[0])) ? 1 : 2]);
      case 'Fn::Select':
        return this.#list((args as Args)[1])[Number((args as Args)[0])];
      case 'Fn::Split':
        return this.text((args as Args)[1]).split(String((args as Args)[0]));
      default:
        throw new Error(`${name} is not known here`);
    }
  }

  #list(given: unknown): unknown[] {
    const value = this.value(given);
    return Array.isArray(value) ? value : [value];
  }

  #ref(name: string): unknown {
    const { account, region, parameters = {} } = this.#where;
    const pseudo: Record<string, unknown> = {
      'AWS::AccountId': account,
      'AWS::NoValue': NOTHING,
      'AWS::Partition': 'aws',
      'AWS::Region': region,
      'AWS::URLSuffix': 'amazonaws.com',
    };
    if (name in pseudo) return pseudo[name];
    const parameter = this.#template.Parameters?.[name];
    if (parameter === undefined) return REF_IS_ARN.has(this.#resource(name).Type) ? this.arnOf(name) : this.nameOf(name);
    const text = parameters[name] ?? parameter.Default ?? '';
    return parameter.Type === 'CommaDelimitedList' ? text.split(',') : text;
  }

  #attribute(path: string): string {
    const [id = '', attribute] = path.split('.');
    if (attribute !== 'Arn') throw new Error(`the attribute ${path} is not known here`);
    return this.arnOf(id);
  }

  #sub(args: unknown): string {
    if (typeof args !== 'string') throw new Error('Fn::Sub with a map is not known here');
    return args.replaceAll(/\$\{([^!}][^}]*)\}/g, (_, name: string) => {
      const value = name.includes('.') ? this.#attribute(name) : this.#ref(name);
      return Array.isArray(value) ? value.join(',') : String(value);
    });
  }

  #condition(name: string): boolean {
    const found = this.#template.Conditions?.[name];
    if (found === undefined) throw new Error(`there is no condition ${name}`);
    return this.#holds(found);
  }

  #holds(given: unknown): boolean {
    const [name, args] = Object.entries(given as object)[0] as [string, unknown];
    if (name === 'Condition') return this.#condition(String(args));
    if (name === 'Fn::Not') return !this.#holds((args as Args)[0]);
    if (name === 'Fn::And') return (args as Args).every((each) => this.#holds(each));
    if (name === 'Fn::Or') return (args as Args).some((each) => this.#holds(each));
    if (name === 'Fn::Equals') return this.value((args as Args)[0]) === this.value((args as Args)[1]);
    throw new Error(`the condition ${name} is not known here`);
  }
}
