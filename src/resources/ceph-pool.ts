import { askCeph, cephAnswers, tellCeph, type CephCall } from '../base/ceph.ts';
import type { State } from '../base/state.ts';
import { defineResource, type Found } from './define.ts';

/** A replicated pool of a Ceph cluster. It holds data, so there is no way to say that it must not be there. */
export const cephPool = defineResource({
  type: 'ceph-pool',
  summary: 'A replicated pool of the Ceph cluster. It is never deleted.',
  nameParam: 'pool',
  scope: 'cluster',
  slow: true,
  params: {
    type: 'object',
    required: ['pool', 'application'],
    additionalProperties: false,
    properties: {
      pool: { type: 'string', pattern: '^[A-Za-z0-9._-]+$', description: 'Its name.' },
      application: { type: 'string', pattern: '^[a-z][a-z0-9_]*$', description: 'What it is for: rbd, rgw, cephfs.' },
      size: { type: 'integer', minimum: 2, maximum: 10, default: 3, description: 'Copies of each object.' },
      min_size: {
        type: 'integer',
        minimum: 1,
        maximum: 10,
        default: 2,
        description: 'With fewer copies than these at hand, reading and writing wait.',
      },
      pg_num: {
        type: 'integer',
        minimum: 1,
        description: 'Placement groups: a power of two. Left out: Ceph chooses, and changes it as the pool grows.',
      },
    },
  },
  desired: (p): State => ({
    size: p.size,
    min_size: p.min_size,
    application: [p.application],
    autoscale: p.pg_num === undefined ? 'on' : 'off',
    ...(p.pg_num === undefined ? {} : { pg_num: p.pg_num }),
  }),
  probeAll: () => askCeph([{ command: { prefix: 'osd pool ls', detail: 'detail' } }]),
  parseAll: (output, all) => {
    const answers = cephAnswers(output);
    if ('unknown' in answers) return all.map(() => answers);
    const pools = new Map((JSON.parse(answers[0]!.out) as Pool[]).map((pool) => [pool.pool_name, pool]));
    return all.map((p): Found => {
      const pool = pools.get(p.pool);
      if (!pool) return null;
      return {
        size: pool.size,
        min_size: pool.min_size,
        application: Object.keys(pool.application_metadata),
        autoscale: pool.pg_autoscale_mode,
        pg_num: pool.pg_num_target,
      };
    });
  },
  // Copies before placement groups: a pool is never made larger than its cluster may carry for a moment.
  apply: (p, change) => {
    const differs = new Set(change.differences.map(({ key }) => key));
    const set = (key: string, name: string, value: string | number): CephCall[] =>
      differs.has(key) ? [{ command: { prefix: 'osd pool set', pool: p.pool, var: name, val: String(value) } }] : [];
    const create: CephCall = {
      command: {
        prefix: 'osd pool create',
        pool: p.pool,
        pool_type: 'replicated',
        ...(p.pg_num === undefined ? {} : { pg_num: p.pg_num, pgp_num: p.pg_num }),
        autoscale_mode: p.pg_num === undefined ? 'on' : 'off',
        size: p.size,
        // Names that begin with a dot are Ceph's own: its gateway has one.
        yes_i_really_mean_it: p.pool.startsWith('.'),
      },
    };
    const enable: CephCall = {
      command: { prefix: 'osd pool application enable', pool: p.pool, app: p.application, yes_i_really_mean_it: true },
    };
    const other = ((change.before?.['application'] ?? []) as string[]).filter((app) => app !== p.application);
    return tellCeph([
      ...(change.before === null
        ? [create]
        : [...set('size', 'size', p.size), ...set('autoscale', 'pg_autoscale_mode', p.pg_num ? 'off' : 'on')]),
      ...set('min_size', 'min_size', p.min_size),
      ...(change.before === null || p.pg_num === undefined ? [] : set('pg_num', 'pg_num', p.pg_num)),
      ...(differs.has('application') ? [enable] : []),
      ...other.map((app): CephCall => ({
        command: { prefix: 'osd pool application disable', pool: p.pool, app, yes_i_really_mean_it: true },
      })),
    ]);
  },
});

interface Pool {
  readonly pool_name: string;
  readonly size: number;
  readonly min_size: number;
  readonly pg_num_target: number;
  readonly pg_autoscale_mode: string;
  readonly application_metadata: Readonly<Record<string, unknown>>;
}
