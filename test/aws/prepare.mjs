// What the suites of test/aws need on this machine, before they begin: Java, and DynamoDB Local.
import { spawnSync } from 'node:child_process';
import { installIn } from '../install.mjs';

const { status } = spawnSync('java', ['-version'], { stdio: 'ignore' });
if (status !== 0) {
  console.error('test:aws needs Java 17 or newer for DynamoDB Local: apt install openjdk-17-jre-headless, or brew install openjdk');
  process.exit(1);
}
installIn(new URL('./', import.meta.url));
