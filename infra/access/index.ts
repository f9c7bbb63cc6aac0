export { boxStatements } from './box.ts';
export { boundaryStatements, cdkExecutionStatements } from './deploys.ts';
export { launcherStatements } from './launcher.ts';
export { adminRoleStatements, adminStatements, userStatements } from './people.ts';
export { adminTrust, adminTrustDenials, boxTrust, launcherTrust } from './trust.ts';
