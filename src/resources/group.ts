import { sh } from '../base/command.ts';
import type { State } from '../base/state.ts';
import { defineResource, type Found } from './define.ts';

/** A group of the host. */
export const group = defineResource({
  type: 'group',
  summary: 'A group of the host. Who is in it is said at the users.',
  nameParam: 'name',
  light: true,
  params: {
    type: 'object',
    required: ['name'],
    additionalProperties: false,
    properties: {
      name: { type: 'string', pattern: '^[a-z_][a-z0-9_-]{0,31}$', description: 'Its name.' },
      gid: { type: 'integer', minimum: 1, description: 'Its number; any when left out.' },
      system: { type: 'boolean', description: 'Take a number of the system’s range when the group is made.' },
      absent: { type: 'boolean', description: 'The group must not be there.' },
    },
  },
  desired: (p): State | null => (p.absent ? null : p.gid === undefined ? {} : { gid: p.gid }),
  probeAll: (all) => sh`getent group ${all.map((p) => p.name)}`,
  parseAll: (output, all) => {
    // 2: one of them is not there.
    if (output.code !== 0 && output.code !== 2) return all.map(() => ({ unknown: `getent ended with ${output.code}` }));
    const rows = output.out
      .toString()
      .split('\n')
      .map((row) => row.split(':'));
    const gids = new Map(rows.map(([name = '', , gid]) => [name, Number(gid)] as const));
    return all.map(({ name }): Found => {
      const gid = gids.get(name);
      return gid === undefined ? null : { gid };
    });
  },
  apply: (p, change) => {
    if (p.absent) return sh`groupdel -- ${p.name}`;
    const gid = p.gid === undefined ? [] : ['-g', String(p.gid)];
    if (change.before !== null) return sh`groupmod ${gid} -- ${p.name}`;
    return sh`groupadd ${[...gid, ...(p.system ? ['-r'] : [])]} -- ${p.name}`;
  },
});
