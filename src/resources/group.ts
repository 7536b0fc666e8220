import { sh } from '../base/command.ts';
import type { State } from '../base/state.ts';
import { defineResource, type Found } from './define.ts';

/** A group of the host. */
export const group = defineResource({
  type: 'group',
  summary: 'A group of the host. Who is in it is said at the users.',
  nameParam: 'name',
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
  probe: (p) => sh`getent group ${p.name}`,
  parse: (output): Found => {
    if (output.code === 2) return null;
    if (output.code !== 0) return { unknown: `getent ended with ${output.code}` };
    return { gid: Number(output.out.toString().split(':')[2]) };
  },
  apply: (p, change) => {
    if (p.absent) return sh`groupdel -- ${p.name}`;
    const gid = p.gid === undefined ? [] : ['-g', String(p.gid)];
    if (change.before !== null) return sh`groupmod ${gid} -- ${p.name}`;
    return sh`groupadd ${[...gid, ...(p.system ? ['-r'] : [])]} -- ${p.name}`;
  },
});
