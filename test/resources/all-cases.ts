import type { Case } from './case.ts';
import { ceph } from './ceph.cases.ts';
import { databases } from './databases.cases.ts';
import { files } from './files.cases.ts';
import { openstack } from './openstack.cases.ts';
import { packages } from './packages.cases.ts';
import { swift } from './swift.cases.ts';
import { system } from './system.cases.ts';

/** Of every type that a shell looks at. */
export const allCases: readonly Case[] = [...files, ...system, ...packages, ...databases, ...openstack, ...ceph, ...swift];
