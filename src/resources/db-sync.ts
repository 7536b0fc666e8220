import { type Command, sh, withTimeout } from '../base/command.ts';
import { defineResource, type Found } from './define.ts';

/** The tables of a service at the version of its programs. Migrations go one way only. */
export const dbSync = defineResource({
  type: 'db-sync',
  summary: 'The database schema of a service, brought to the version of its installed programs. It cannot be taken back.',
  slow: true,
  nameParam: 'service',
  scope: 'cluster',
  irreversible: () => true,
  params: {
    type: 'object',
    required: ['service', 'command', 'check'],
    additionalProperties: false,
    properties: {
      service: { type: 'string', minLength: 1, description: 'The service.' },
      command: { type: 'string', minLength: 1, description: 'Shell command that migrates, e.g. keystone-manage db_sync.' },
      check: {
        type: 'string',
        minLength: 1,
        description: 'Shell command that tells whether there is something to do; exit code 0: no. It must change nothing.',
      },
      due: {
        type: 'array',
        items: { type: 'integer', minimum: 1, maximum: 255 },
        default: [2, 3, 4],
        description: 'Exit codes of the check that mean: yes. Any other one means that it cannot be told.',
      },
      user: { type: 'string', description: 'Who runs both; the user of the service’s name when left out.' },
      timeout: { type: 'integer', minimum: 1, default: 1800, description: 'Seconds.' },
    },
  },
  desired: () => ({ synced: true }),
  probe: (p) => withTimeout(sh`${as(p, p.check)} </dev/null`, 120),
  parse: (output, p): Found => {
    if (output.code === 0) return { synced: true };
    if (p.due.includes(output.code)) return { synced: false };
    const said = output.err.toString().trim().split('\n').at(-1) ?? '';
    return { unknown: said === '' ? `its check ended with ${output.code}` : `its check ended with ${output.code}: ${said.slice(0, 300)}` };
  },
  apply: (p) => withTimeout(sh`${as(p, p.command)} </dev/null`, p.timeout),
});

function as(p: { readonly service: string; readonly user?: string }, script: string): Command {
  return sh`( cd / && exec runuser -u ${p.user ?? p.service} -- sh -c ${script} )`;
}
