import { defineConfig } from 'vitest/config';

/** Bounds that hold for every suite of a kind; a test that needs more says so itself. */
export default defineConfig({
  root: new URL('..', import.meta.url).pathname,
  test: {
    pool: 'forks',
    maxWorkers: 2,
    coverage: {
      provider: 'v8',
      reportsDirectory: 'coverage',
      include: ['launcher/core/**/*.ts', 'launcher/contract/**/*.ts'],
      thresholds: {
        'launcher/core/**/*.ts': { branches: 100 },
        'launcher/contract/**/*.ts': { branches: 100 },
      },
    },
    projects: [
      {
        extends: true,
        test: { name: 'unit', include: ['test/unit/**/*.test.ts'], testTimeout: 10_000 },
      },
      {
        extends: true,
        test: { name: 'infra', include: ['test/infra/**/*.test.ts'], testTimeout: 30_000, hookTimeout: 60_000 },
      },
      {
        extends: true,
        test: { name: 'sim', include: ['test/sim/**/*.test.ts'], testTimeout: 30_000 },
      },
      {
        extends: true,
        test: {
          name: 'local',
          include: ['test/local/**/*.test.ts'],
          globalSetup: ['test/local/build.setup.ts'],
          testTimeout: 30_000,
          hookTimeout: 60_000,
        },
      },
      {
        extends: true,
        test: {
          name: 'root',
          include: ['test/root/**/*.test.ts'],
          globalSetup: ['test/local/build.setup.ts'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        extends: true,
        test: {
          name: 'vm',
          include: ['test/vm/**/*.test.ts'],
          globalSetup: ['test/local/build.setup.ts', 'test/aws/moto.setup.ts'],
          testTimeout: 60_000,
          // A whole emulated machine, which is some twenty times slower than the one that it runs on.
          hookTimeout: 900_000,
        },
      },
      {
        extends: true,
        test: {
          name: 'image',
          include: ['test/image/*.test.ts'],
          globalSetup: ['test/local/build.setup.ts'],
          testTimeout: 120_000,
          // A root folder is laid and provisioned, from Debian's archive on.
          hookTimeout: 900_000,
        },
      },
      {
        extends: true,
        test: {
          name: 'aws',
          include: ['test/aws/**/*.test.ts'],
          globalSetup: ['test/local/build.setup.ts', 'test/aws/dynamodb-local.setup.ts', 'test/aws/moto.setup.ts'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        extends: true,
        // The CDK's own command line against moto: it starts many times.
        test: {
          name: 'deploy',
          include: ['test/deploy/**/*.test.ts'],
          globalSetup: ['test/aws/moto.setup.ts'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        extends: true,
        // Costs money: run by test/live/main.ts alone.
        test: { name: 'live', include: ['test/live/**/*.test.ts'], testTimeout: 600_000, hookTimeout: 120_000 },
      },
    ],
  },
});
