import { createHash } from 'node:crypto';
import type { Architecture } from '../launcher/contract/fields.ts';

/** Where a deployment is. Parts of a template that CloudFormation fills in (`${AWS::AccountId}`) are as good as figures. */
export interface Place {
  account: string;
  region: string;
}

/** Folder of the bucket with sources of builds, and what of a build whoever starts it says. */
export const BUILD_SOURCES = 'build/';
export const BUILD_VARIABLES = ['SOURCE_KEY', 'COMMAND'] as const;

/** The CDK takes a qualifier of at most 10 letters and figures. */
const QUALIFIER_LETTERS = 4;
const QUALIFIER_HASH_CHARS = 6;

/**
 * Qualifier of the deploys that an agent makes from a box, and of the roles for them: `devctl` has `devca3e051`. The hash is of the whole name, so that names
 * which begin alike or differ in a dash have two; and it ends in a hex figure, as the CDK's usual one (`hnb659fds`, whose roles deploy the whole account) does not.
 */
export function agentQualifierOf(deployment: string): string {
  const hash = createHash('sha256').update(deployment).digest('hex').slice(0, QUALIFIER_HASH_CHARS);
  return `${deployment.replaceAll('-', '').slice(0, QUALIFIER_LETTERS)}${hash}`;
}

const cdkRolesOf = (qualifier: string, { account, region }: Place) => {
  const role = (of: string): string => `cdk-${qualifier}-${of}-role-${account}-${region}`;
  return {
    deploy: role('deploy'),
    filePublishing: role('file-publishing'),
    imagePublishing: role('image-publishing'),
    lookup: role('lookup'),
    cfnExec: role('cfn-exec'),
  };
};

/** How everything that a deployment has in an account is called: policies, the launcher and its stack speak of the same things. */
export function namesOf(deployment: string, place: Place) {
  const qualifier = agentQualifierOf(deployment);
  const apiFunction = `${deployment}-api`;
  const eventsFunction = `${deployment}-events`;
  return {
    deployment,
    ...place,
    /** Of CloudFormation. */
    stack: deployment,
    table: deployment,
    apiFunction,
    eventsFunction,
    /** Role of both functions. */
    launcherRole: `${deployment}-launcher`,
    boxRole: `${deployment}-box`,
    instanceProfile: `${deployment}-box`,
    userPolicy: `${deployment}-user`,
    adminPolicy: `${deployment}-admin`,
    adminRole: `${deployment}-admin`,
    /** Permissions boundary of every role that a deploy from a box may make, and of those deploys themselves. */
    boundary: `${deployment}-boundary`,
    cdkExecutionPolicy: `${deployment}-cdk-execution`,
    cdkQualifier: qualifier,
    cdkToolkitStack: `${deployment}-agent-toolkit`,
    cdkRoles: cdkRolesOf(qualifier, place),
    /** Logs and transfer. */
    bucket: `${deployment}-${place.account}-${place.region}`,
    launchTemplates: { x86_64: `${deployment}-x86_64`, arm64: `${deployment}-arm64` } satisfies Record<Architecture, string>,
    /** Parameters of Systems Manager that `npm run image` writes: each holds the id of an image. */
    imageParameters: {
      x86_64: `/${deployment}/image/x86_64`,
      arm64: `/${deployment}/image/arm64`,
    } satisfies Record<Architecture, string>,
    masterSecret: `${deployment}/launcher`,
    sessionDocument: `${deployment}-session`,
    logGroups: {
      api: `/aws/lambda/${apiFunction}`,
      events: `/aws/lambda/${eventsFunction}`,
      /** What the agents of boxes say (docs/IMAGE.md). */
      boxes: `/devctl/${deployment}/box`,
      /** What people typed through Session Manager. */
      sessions: `/devctl/${deployment}/session`,
      build: `/aws/codebuild/${deployment}-build`,
    },
    deadLetters: {
      /** Events that a rule could not hand over. */
      rules: `${deployment}-rules-dead-letters`,
      /** Asynchronous calls of the functions that failed each time. */
      calls: `${deployment}-calls-dead-letters`,
    },
    alarmsTopic: `${deployment}-alarms`,
    /** How the name of the budget begins: whom it tells is in the rest (infra/stack/guardrails.ts). */
    budget: deployment,
    dashboard: deployment,
    /** Namespace of the metrics that the launcher writes. */
    metrics: `devctl/${deployment}`,
    buildProject: `${deployment}-build`,
    buildRole: `${deployment}-build`,
    /** Stack of the bucket from which the launcher's own stack takes its code. */
    assetsStack: `${deployment}-assets`,
    assetsBucket: `${deployment}-assets-${place.account}-${place.region}`,
  };
}

export type Names = ReturnType<typeof namesOf>;
