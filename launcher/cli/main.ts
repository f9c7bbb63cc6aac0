// The version is told before anything else is loaded: dynamic imports are evaluated late in the bundle.
const words = process.argv.slice(2);
if (words.length === 1 && (words[0] === '--version' || words[0] === '-V')) {
  process.stdout.write(`${process.env.DEVCTL_BUILD_VERSION ?? '0.0.0-source'}\n`);
} else {
  void import('./run.ts').then(({ run }) => run(words));
}

export {};
