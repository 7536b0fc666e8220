import { defineConfig } from 'vitest/config';

// Two projects: `unit` needs nothing but Node, `real` needs the Docker engine and the machine image.
export default defineConfig({
  test: {
    projects: [
      { test: { name: 'unit', include: ['test/**/*.test.ts'], exclude: ['test/**/*.real.test.ts'] } },
      {
        test: {
          name: 'real',
          include: ['test/**/*.real.test.ts'],
          globalSetup: 'test/machines.ts',
          testTimeout: 120_000,
          hookTimeout: 300_000,
          // Two cores: one file at a time.
          fileParallelism: false,
        },
      },
    ],
  },
});
