import { raw, sh, withTimeout } from '../base/command.ts';
import { defineResource, type Found } from './define.ts';
import { putRecord } from './put.ts';

const records = '/var/lib/cellwise/online-migrations';

/**
 * Data in the tables of a service, moved to the form of its installed programs while these run. It takes as many turns as
 * there is data: exit code 1 means that there is more, and only 0 that nothing is left; 2 needs somebody who looks. What
 * it was done for is recorded on the host.
 */
export const onlineMigrations = defineResource({
  type: 'online-migrations',
  summary: 'The data of a service, moved to the form that its installed programs want while these run. It cannot be taken back.',
  nameParam: 'service',
  scope: 'cluster',
  irreversible: () => true,
  params: {
    type: 'object',
    required: ['service', 'command', 'package'],
    additionalProperties: false,
    properties: {
      service: { type: 'string', pattern: '^[a-z][a-z0-9.-]*$', description: 'What is migrated.' },
      command: {
        type: 'string',
        minLength: 1,
        description: 'Shell command that migrates some: 0 when nothing is left, 1 when there is more.',
      },
      package: { type: 'string', pattern: '^[a-z0-9][a-z0-9.+-]*$', description: 'The package that brings the migrations.' },
      user: { type: 'string', description: 'Who runs the command; the user of the service’s name when left out.' },
      timeout: { type: 'integer', minimum: 1, default: 86400, description: 'Seconds, for all turns.' },
    },
  },
  desired: () => ({ migrated: true }),
  probe: (p) => sh`
${programs(p.package)}
programs || exit
[ "$now" = "$(cat ${`${records}/${p.service}`} 2>/dev/null)" ] && echo same || echo other`,
  parse: (output): Found =>
    output.code === 0
      ? { migrated: output.out.toString().trim() === 'same' }
      : { unknown: output.err.toString().trim().split('\n').at(-1) ?? `exit code ${output.code}` },
  apply: (p) =>
    withTimeout(
      sh`
${programs(p.package)}
programs || exit
while :; do
  ( cd / && exec runuser -u ${p.user ?? p.service} -- sh -c ${p.command} ) </dev/null
  case $? in
  0) break ;;
  1) sleep 1 ;;
  *) echo 'Some data cannot be migrated: the lines above and the log of the service say which' >&2; exit 1 ;;
  esac
done
${putRecord(records, p.service, raw('"$now"'))}`,
      p.timeout,
    ),
});

/** Defines the shell function that puts the version of the programs into `now`. */
function programs(name: string) {
  return sh`
programs() {
  now=$(dpkg-query -W -f '\${db:Status-Status} \${Version}' -- ${name} 2>/dev/null)
  case $now in 'installed '*) ;; *) printf '%s is not installed\n' ${name} >&2; return 1 ;; esac
}`;
}
