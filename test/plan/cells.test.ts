import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { select } from '../../src/plan/select.ts';
import { readRoles } from '../../src/roles/role.ts';
import { complaints, inventoryOf, needs, planOf, rolesOf, step, waits } from './clouds.ts';

const hosts = `  ctl1: {address: 10.77.0.11, kind: controller}
  cmp1: {address: 10.77.0.21, kind: compute, cell: east}
  west1: {address: 10.77.0.31, kind: cell, cell: west}
  west2: {address: 10.77.0.32, kind: cell, cell: west}
  west3: {address: 10.77.0.33, kind: [cell, compute], cell: west}
`;
const cells = 'cells: {east: {}, west: {params: {queue: {port: 2}}}}\n';

const roles = rolesOf({
  queue: {
    on: ['controller', 'cell'],
    per: 'cell',
    hosts: 'first',
    params: { port: { type: 'integer', default: 1 }, password: { type: 'string', format: 'secret', per: 'cell' } },
    steps: [{ file: '/queue', content: '{{cell.name}} {{cell.own}} {{password}}' }],
  },
  conductor: {
    on: ['controller', 'cell'],
    per: 'cell',
    needs: ['queue'],
    steps: [
      { file: '/once', once: true },
      { file: '/conductor', content: '{{queue.address}}:{{queue.port}}' },
    ],
  },
  api: {
    on: ['controller'],
    reads: ['queue'],
    steps: [
      { file: '/cells/{{cell.name}}', per: 'cell', content: '{{queue.address}} {{queue.password}}' },
      { service: 'api', watches: ['/cells/{{cell.name}}'] },
    ],
  },
  worker: {
    on: ['compute'],
    per: 'cell',
    scope: 'host',
    needs: ['conductor', 'api'],
    steps: [{ file: '/worker', content: '{{conductor.address}}' }],
  },
  agent: { on: ['controller', 'compute'], scope: 'host', needs: ['queue'], steps: [{ file: '/agent', content: '{{queue.address}}' }] },
  found: { on: ['controller'], per: 'cell', after: ['worker'], steps: [{ file: '/found/{{cell.name}}' }] },
});

describe('a role per cell', () => {
  const plan = planOf(inventoryOf(hosts, cells), roles);
  const content = (id: string): string => String(step(plan, id).params['content']);

  it('is there once for the cloud and the cell of its controllers, and once for each cell of its own', () => {
    expect(complaints(plan)).toEqual([]);
    const queues = [...plan.nodes.keys()].filter((id) => id.includes('/queue/file'));
    expect(queues).toEqual(['ctl1/queue/file /queue', 'west1/queue/file /queue']);
    const ready = [...plan.nodes.keys()].filter((id) => id.includes(' ready'));
    expect(ready).toContain('queue ready');
    expect(ready).toContain('queue ready in west');
  });

  it('has secrets of its own in each, where they say so', () => {
    expect(content('ctl1/queue/file /queue')).toBe('east false ‹secret queue.password›');
    expect(content('west1/queue/file /queue')).toBe('west true ‹secret queue.password.west›');
  });

  it('finds others of its cell, and waits for these alone', () => {
    expect(content('ctl1/conductor/file /conductor')).toBe('10.77.0.11:1');
    expect(content('west2/conductor/file /conductor')).toBe('10.77.0.31:2');
    expect(content('west3/worker/file /worker')).toBe('10.77.0.31');
    expect(content('cmp1/worker/file /worker')).toBe('10.77.0.11');
    expect(waits(plan, 'west3/worker/file /worker', 'conductor ready in west')).toBe(true);
    expect(waits(plan, 'west3/worker/file /worker', 'conductor ready')).toBe(false);
    expect(waits(plan, 'cmp1/worker/file /worker', 'west1/queue/file /queue')).toBe(false);
  });

  it('does once what is to be done once in each', () => {
    expect([...plan.nodes.keys()].filter((id) => id.endsWith('file /once'))).toEqual([
      'ctl1/conductor/file /once',
      'west1/conductor/file /once',
    ]);
    expect(needs(plan, 'west3/conductor/file /conductor')).toContain('west1/conductor/file /once: once, on west1');
  });

  it('is for the cloud to roles that are not per cell', () => {
    expect(content('west3/agent/file /agent')).toBe('10.77.0.11');
    expect(waits(plan, 'west3/agent/file /agent', 'queue ready in west')).toBe(false);
  });

  it('is done by controllers for each cell where they alone carry it', () => {
    expect([...plan.nodes.keys()].filter((id) => id.includes('/found/'))).toEqual([
      'ctl1/found/file /found/east',
      'ctl1/found/health',
      'ctl1/found/file /found/west',
      'ctl1/found/health in west',
    ]);
    const id = 'ctl1/found/file /found/west';
    const loose = [...plan.graph.needs(id).keys()].filter((need) => ![...plan.graph.firm(id)].includes(need));
    expect(loose).toEqual(['worker ready in west']);
  });

  it('is taken along by its cell, with what controllers do for it', () => {
    const chosen = select(plan, 'cell:west');
    expect(chosen).toContain('ctl1/found/file /found/west');
    expect(chosen).toContain('west3/conductor/file /conductor');
    expect(chosen).not.toContain('ctl1/found/file /found/east');
    expect(chosen).not.toContain('cmp1/worker/file /worker');
  });
});

describe('a step per cell', () => {
  it('is there for each cell of its own, and sees what that cell has', () => {
    const plan = planOf(inventoryOf(hosts, cells), roles);
    expect(step(plan, 'ctl1/api/file /cells/west').params).toMatchObject({ path: '/cells/west' });
    expect(String(step(plan, 'ctl1/api/file /cells/west').params['content'])).toBe('10.77.0.31 ‹secret queue.password.west›');
    expect(step(plan, 'ctl1/api/service api').watches).toEqual([{ step: 'ctl1/api/file /cells/west', name: '/cells/east' }]);
  });

  it('is none where the controllers carry the only cell', () => {
    const plan = planOf(inventoryOf('  aio: {address: 10.77.0.11, kind: [controller, compute]}\n'), roles);
    expect(complaints(plan)).toEqual([]);
    expect([...plan.nodes.keys()].filter((id) => id.startsWith('aio/api/'))).toEqual(['aio/api/service api', 'aio/api/health']);
    expect(step(plan, 'aio/api/service api').watches).toEqual([]);
  });
});

describe('who carries a cell', () => {
  const without = hosts.replaceAll('kind: cell', 'kind: compute').replace('[cell, compute]', 'compute');

  it.each([
    ['two cells on the controllers', without, 'cells: {east: {}, west: {}}\n', 'neither east nor west has hosts of its own'],
    ['none', hosts.replace('kind: compute, cell: east', 'kind: [compute, cell], cell: east'), cells, 'none is left for the controllers'],
  ])('%s are refused', (_name, some, more, message) => {
    expect(() => planOf(inventoryOf(some, more), roles)).toThrow(message);
  });
});

it('adding a cell leaves the steps of all hosts but the controllers as they are', () => {
  const shipped = readRoles(join(import.meta.dirname, '../../roles')).roles;
  const one = hosts.split('\n').slice(0, 2).join('\n') + '\n';
  const before = planOf(inventoryOf(one, 'cells: {east: {}}\n'), shipped);
  const after = planOf(inventoryOf(hosts, 'cells: {east: {}, west: {}}\n'), shipped);
  const wanted = (plan: typeof before, id: string): unknown => {
    const { resource, params } = step(plan, id);
    return resource.desired(params);
  };
  const other = [...before.nodes.values()].flatMap((node) =>
    node.kind === 'step' && JSON.stringify(wanted(before, node.step)) !== JSON.stringify(wanted(after, node.step)) ? [node.step] : [],
  );
  // Names of all hosts are known to all; what asks cells for their machines learns of the new one, and from its configuration it
  // could not tell whose password is meant in the URLs of the others.
  expect(other.toSorted()).toEqual([
    'cmp1/base/hosts-file',
    'ctl1/base/hosts-file',
    'ctl1/nova-api/nova-cell cell0',
    'ctl1/nova-api/nova-cell east',
    'ctl1/nova-api/service nova-api',
    'ctl1/nova-api/service nova-api-metadata',
    'ctl1/nova-conductor/service nova-conductor',
    'ctl1/nova-scheduler/service nova-scheduler',
  ]);
});
