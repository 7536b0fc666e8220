import { defineConfig } from 'vitest/config';

// Tests against containers. Two files at a time: half of their time they wait, for a package, a unit or a time-out.
const real = {
  globalSetup: 'test/machines.ts',
  testTimeout: 120_000,
  hookTimeout: 300_000,
  maxWorkers: 2,
};

// Laws of step types that need half an OpenStack or a Ceph cluster, whose packages take minutes to install.
const services = ['test/resources/cloud-law.real.test.ts', 'test/resources/ceph-law.real.test.ts'];

// `unit` needs nothing but Node, the others the Docker engine. `proof` is what takes its time: crashes, cut networks,
// thousands of hostile values. `cloud`: whole clouds with machines in them, a quarter of an hour each.
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/**/*.test.ts'],
          exclude: ['test/**/*.real.test.ts', 'test/proof/**'],
          testTimeout: 30_000,
          maxWorkers: 2,
        },
      },
      { test: { name: 'real', include: ['test/**/*.real.test.ts'], exclude: ['test/proof/**', 'test/cloud/**', ...services], ...real } },
      { test: { name: 'services', include: services, ...real } },
      { test: { name: 'cloud', include: ['test/cloud/*.real.test.ts'], ...real, maxWorkers: 1 } },
      { test: { name: 'proof', include: ['test/proof/**/*.test.ts'], ...real } },
    ],
  },
});
