/** A template as CDK makes them, of the kinds of resources that a deployment has. Each call gives another copy. */
export const templateOf = (more: Record<string, unknown> = {}) => ({
  Parameters: { BootstrapVersion: { Type: 'AWS::SSM::Parameter::Value<String>', Default: '/cdk-bootstrap/hnb659fds/version' } },
  Resources: {
    Table: {
      Type: 'AWS::DynamoDB::Table',
      Properties: {
        TableName: 'devctl',
        BillingMode: 'PAY_PER_REQUEST',
        PointInTimeRecoverySpecification: { PointInTimeRecoveryEnabled: true },
      },
    },
    Secret: { Type: 'AWS::SecretsManager::Secret', Properties: { Name: 'devctl/launcher', GenerateSecretString: {} } },
    LauncherRole: { Type: 'AWS::IAM::Role', Properties: { RoleName: 'devctl-launcher' } },
    Api: {
      Type: 'AWS::Lambda::Function',
      Properties: {
        FunctionName: 'devctl-api',
        MemorySize: 512,
        Architectures: ['arm64'],
        Role: { 'Fn::GetAtt': ['LauncherRole', 'Arn'] },
      },
    },
    Events: {
      Type: 'AWS::Lambda::Function',
      Properties: {
        FunctionName: 'devctl-events',
        MemorySize: 512,
        Architectures: ['arm64'],
        Role: { 'Fn::GetAtt': ['LauncherRole', 'Arn'] },
      },
    },
    Url: { Type: 'AWS::Lambda::Url', Properties: { AuthType: 'AWS_IAM', TargetFunctionArn: { 'Fn::GetAtt': ['Api', 'Arn'] } } },
    Minute: {
      Type: 'AWS::Events::Rule',
      Properties: { ScheduleExpression: 'rate(1 minute)', Targets: [{ Id: 'a', Arn: { 'Fn::GetAtt': ['Events', 'Arn'] } }] },
    },
    Notices: {
      Type: 'AWS::Events::Rule',
      Properties: { EventPattern: { source: ['aws.ec2'] }, Targets: [{ Id: 'a', Arn: { 'Fn::GetAtt': ['Events', 'Arn'] } }] },
    },
    LaunchTemplate: { Type: 'AWS::EC2::LaunchTemplate', Properties: { LaunchTemplateName: 'devctl-x86_64' } },
    DeadLetters: { Type: 'AWS::SQS::Queue' },
    Alarm: {
      Type: 'AWS::CloudWatch::Alarm',
      Properties: { Namespace: 'AWS/Lambda', MetricName: 'Errors', AlarmActions: [{ Ref: 'Topic' }] },
    },
    OwnAlarm: { Type: 'AWS::CloudWatch::Alarm', Properties: { Namespace: 'devctl/devctl', MetricName: 'PassFailed' } },
    Topic: { Type: 'AWS::SNS::Topic', Properties: { TopicName: 'devctl-alarms' } },
    Logs: { Type: 'AWS::Logs::LogGroup', Properties: { LogGroupName: '/aws/lambda/devctl-api', RetentionInDays: 7 } },
    Provider: { Type: 'Custom::Something' },
    ...more,
  },
});
