import { defineConfig } from 'vitest/config';

// Tests against containers. Two cores: one file at a time.
const real = {
  globalSetup: 'test/machines.ts',
  testTimeout: 120_000,
  hookTimeout: 300_000,
  fileParallelism: false,
};

// `unit` needs nothing but Node; `real` and `proof` need the Docker engine. `proof` is what takes its time: crashes, cut
// networks, thousands of hostile values.
export default defineConfig({
  test: {
    projects: [
      { test: { name: 'unit', include: ['test/**/*.test.ts'], exclude: ['test/**/*.real.test.ts', 'test/proof/**'], testTimeout: 30_000 } },
      { test: { name: 'real', include: ['test/**/*.real.test.ts'], exclude: ['test/proof/**'], ...real } },
      // Half of their time they wait: for a network to come back, for somebody to be given up.
      { test: { name: 'proof', include: ['test/proof/**/*.test.ts'], ...real, fileParallelism: true, maxWorkers: 2 } },
    ],
  },
});
