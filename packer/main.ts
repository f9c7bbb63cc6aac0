import { imageCommand } from './command.ts';

// What `npm run` starts stands in the folder of the repository.
void imageCommand(process.argv.slice(2), { say: (line) => console.error(line), root: process.cwd(), env: process.env }).then((code) => {
  process.exitCode = code;
});
