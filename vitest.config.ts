import { defineConfig, type TestProjectInlineConfiguration } from 'vitest/config';

// Tests against containers. Two files at a time: half of their time they wait, for a package, a unit or a time-out.
const real = {
  globalSetup: 'test/machines.ts',
  testTimeout: 120_000,
  hookTimeout: 300_000,
  maxWorkers: 2,
};

// Laws of step types that need half an OpenStack or a Ceph cluster, whose packages take minutes to install.
const services = ['test/resources/cloud-law.real.test.ts', 'test/resources/ceph-law.real.test.ts'];
const lab = ['test/cloud/lab.real.test.ts'];
const journey = ['test/proof/openstack-upgrade.real.test.ts'];
const upgrade = ['test/proof/ceph-upgrade.real.test.ts', 'test/proof/compute-upgrade.real.test.ts'];
const security = ['test/security/**/*.test.ts'];
const securityOfClouds = ['test/security/**/*.cloud.real.test.ts'];
const heavy = ['test/cloud/**', 'test/proof/**', 'test/security/**', ...services];

// `unit` needs nothing but Node, the others the Docker engine. `security` attacks the deployer and the hosts; its attacks on
// whole clouds are part of `proof`. `lab`, `cloud`: whole clouds with machines in them, a quarter of an hour each.
// `upgrade`: a cluster, or a fleet of compute hosts, from one release to the next; `journey`: all of a cloud. `proof` is
// what takes its time: crashes, cut networks, thousands of hostile values. Whoever runs several gets them one after the other.
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/**/*.test.ts'],
          exclude: ['test/**/*.real.test.ts', 'test/proof/**', ...security],
          testTimeout: 30_000,
          maxWorkers: 2,
        },
      },
      project('real', { include: ['test/**/*.real.test.ts'], exclude: heavy }),
      project('security', { include: security, exclude: securityOfClouds }),
      project('services', { include: services, sequence: { groupOrder: 1 } }),
      project('proof', {
        include: ['test/proof/**/*.test.ts', ...securityOfClouds],
        exclude: [...upgrade, ...journey],
        sequence: { groupOrder: 1 },
      }),
      project('lab', { include: lab, maxWorkers: 1, sequence: { groupOrder: 2 } }),
      project('cloud', { include: ['test/cloud/*.real.test.ts'], exclude: lab, maxWorkers: 1, sequence: { groupOrder: 3 } }),
      project('upgrade', { include: upgrade, sequence: { groupOrder: 4 } }),
      project('journey', { include: journey, maxWorkers: 1, sequence: { groupOrder: 5 } }),
    ],
  },
});

function project(name: string, test: NonNullable<TestProjectInlineConfiguration['test']>): TestProjectInlineConfiguration {
  return { test: { name, ...real, ...test } };
}
