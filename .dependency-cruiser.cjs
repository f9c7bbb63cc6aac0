// Import direction of docs/ARCHITECTURE.md: what is not listed for a folder may not be imported by it.
const own = {
  contract: [],
  core: ['contract'],
  ports: ['contract'],
  ledger: ['contract', 'core', 'ports'],
  controllers: ['contract', 'core', 'ports', 'ledger'],
  providers: ['contract', 'ports', 'connect'],
  stores: ['contract', 'ports'],
  telemetry: ['contract', 'ports'],
  connect: ['contract'],
  client: ['contract', 'connect'],
  api: ['contract', 'core', 'ports', 'ledger', 'connect'],
  cli: ['contract', 'client', 'connect'],
  mcp: ['contract', 'client'],
  web: ['contract', 'client'],
};

/** Packages that a folder may use; those that are not listed here are free. */
const packages = {
  contract: ['zod'],
  core: [],
  ports: [],
  ledger: [],
  controllers: [],
};

const folderRules = Object.entries(own).map(([folder, allowed]) => ({
  name: `launcher-${folder}`,
  comment: `launcher/${folder} may import ${allowed.length > 0 ? allowed.join(', ') : 'nothing else'} of the launcher`,
  severity: 'error',
  from: { path: `^launcher/${folder}/` },
  to: { path: '^(launcher|agent-bootstrap|test|bench)/', pathNot: `^launcher/(${[folder, ...allowed].join('|')})/` },
}));

const packageRules = Object.entries(packages).map(([folder, allowed]) => ({
  name: `packages-${folder}`,
  comment: `launcher/${folder} may use ${allowed.length > 0 ? allowed.join(', ') : 'no'} packages`,
  severity: 'error',
  from: { path: `^launcher/${folder}/` },
  to: {
    dependencyTypes: ['npm', 'npm-dev', 'npm-optional'],
    ...(allowed.length > 0 && { pathNot: `node_modules/(${allowed.join('|')})/` }),
  },
}));

module.exports = {
  forbidden: [
    ...folderRules,
    ...packageRules,
    {
      name: 'no-cycles',
      comment: 'Two files that need each other are one, or want a third; only types may refer to each other',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    {
      name: 'pure-core',
      comment: 'The contract and the decisions do no I/O',
      severity: 'error',
      from: { path: '^launcher/(contract|core)/' },
      to: { dependencyTypes: ['core'] },
    },
    {
      name: 'one-provider-at-a-time',
      comment: 'Providers know nothing of each other; the agent of a box is the same everywhere',
      severity: 'error',
      from: { path: '^launcher/providers/([^/]+)/' },
      to: { path: '^launcher/providers/', pathNot: '^launcher/providers/($1|agent)/' },
    },
    {
      name: 'aws-sdk',
      comment: 'Amazon is known in the store, in its provider, and where a client signs with credentials of its own',
      severity: 'error',
      from: { path: '^(launcher|agent-bootstrap)/', pathNot: '^(launcher/(stores/dynamo|providers/ec2|connect/aws)|agent-bootstrap/ec2)/' },
      to: { path: 'node_modules/@(aws-sdk|smithy)/' },
    },
    {
      name: 'agent-signs-only',
      comment: 'The agent of a box on EC2 signs its few requests itself: the SDK is too large for it',
      severity: 'error',
      from: { path: '^agent-bootstrap/ec2/' },
      to: { path: 'node_modules/@(aws-sdk|smithy)/', pathNot: 'node_modules/@smithy/signature-v4/' },
    },
    {
      name: 'composition-roots',
      comment: 'Nothing imports a program; programs import everything',
      severity: 'error',
      from: { pathNot: '^(launcher/(main|lambda)\\.ts$|test/)' },
      to: { path: '^(launcher/(main|lambda|cli/main)\\.ts|agent-bootstrap/main\\.ts)$' },
    },
    {
      name: 'serve-is-the-root',
      comment: 'Only the launcher process puts the parts together',
      severity: 'error',
      from: { pathNot: '^(launcher/((main|lambda)\\.ts|serve/)|infra/|packer/|test/|bench/)' },
      to: { path: '^launcher/serve/' },
    },
    {
      name: 'agent',
      comment: 'What runs on the box knows the contract',
      severity: 'error',
      from: { path: '^agent-bootstrap/' },
      to: { path: '^(launcher|test|bench)/', pathNot: '^launcher/contract/' },
    },
    {
      name: 'no-tests-in-the-product',
      severity: 'error',
      from: { path: '^(launcher|agent-bootstrap)/' },
      to: { path: '^(test|bench)/' },
    },
    {
      name: 'image',
      comment: 'What makes the image knows the contract, the limits, and the file that the launcher reads; nothing of the product knows it',
      severity: 'error',
      from: { path: '^packer/' },
      to: { path: '^(launcher|agent-bootstrap|test|bench)/', pathNot: '^launcher/(contract/|core/|serve/ec2-settings\\.ts$)' },
    },
    {
      name: 'image-is-not-the-product',
      severity: 'error',
      from: { path: '^(launcher|agent-bootstrap)/' },
      to: { path: '^packer/' },
    },
    {
      name: 'infra',
      comment: 'What is made in an account knows the contract, and of the launcher in it the type of its settings',
      severity: 'error',
      from: { path: '^infra/' },
      to: { path: '^(launcher|agent-bootstrap|packer|test|bench)/', pathNot: '^launcher/(contract/|serve/lambda-settings\\.ts$)' },
    },
    {
      name: 'infra-settings-are-a-type',
      comment: 'The program that deploys has nothing of the launcher in it',
      severity: 'error',
      from: { path: '^infra/' },
      to: { path: '^launcher/serve/', dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'infra-is-not-the-product',
      severity: 'error',
      from: { pathNot: '^(infra|test|\\.ci)/' },
      to: { path: '^infra/' },
    },
    {
      name: 'cdk',
      comment: 'What runs in an account or on a desk does not need the CDK',
      severity: 'error',
      from: { pathNot: '^(infra|test/infra)/' },
      to: { path: 'node_modules/(aws-cdk-lib|constructs|cdk-nag)/' },
    },
    { name: 'resolvable', severity: 'error', from: {}, to: { couldNotResolve: true } },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^(dist|test/image/\\.root)/' },
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'types', 'default'] },
  },
};
