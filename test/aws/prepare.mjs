// What the suites of test/aws need on this machine, before they begin: Java and DynamoDB Local, Python and moto.
import { spawnSync } from 'node:child_process';
import { installIn } from '../install.mjs';
import { installMoto } from './install-moto.mjs';

const quietly = (command, ...args) => spawnSync(command, args, { stdio: ['ignore', 'pipe', 'ignore'], encoding: 'utf8' });
const say = (line) => {
  console.error(line);
  process.exit(1);
};

if (quietly('java', '-version').status !== 0)
  say('test:aws needs Java 17 or newer for DynamoDB Local: apt install openjdk-17-jre-headless, or brew install openjdk');
installIn(new URL('./', import.meta.url));
installMoto();
