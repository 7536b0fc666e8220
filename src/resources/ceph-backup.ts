import { sh, withTimeout } from '../base/command.ts';
import { defineResource, type Found } from './define.ts';
import { makeDirectories, putTree } from './put.ts';

/**
 * What a Ceph cluster knows of itself beside its data: keys, options, maps. With it and the OSDs, monitors that were lost
 * can be made anew. Made once: it is as old as its directory.
 */
export const cephBackup = defineResource({
  type: 'ceph-backup',
  summary: 'A copy of what the monitors of a Ceph cluster know (keys, options, maps), made once and read back.',
  nameParam: 'directory',
  scope: 'cluster',
  params: {
    type: 'object',
    required: ['directory'],
    additionalProperties: false,
    properties: { directory: { type: 'string', pattern: '^/.', description: 'Where, on the host. Only root can read it.' } },
  },
  desired: () => ({ made: true }),
  probe: (p) => sh`[ ! -d ${p.directory} ] || echo made`,
  parse: (output): Found => (output.out.toString().trim() === 'made' ? { made: true } : null),
  apply: (p) =>
    withTimeout(
      sh`
set -e
${makeDirectories(p.directory.replace(/\/[^/]*$/, ''))}
${putTree(
  p.directory,
  sh`
ceph auth export -o auth >/dev/null
ceph config dump -f json >config.json
ceph config-key dump -f json >config-key.json
ceph mon getmap -o monmap 2>/dev/null
ceph osd getmap -o osdmap 2>/dev/null
ceph osd getcrushmap -o crushmap 2>/dev/null
ceph osd pool ls detail -f json >pools.json
# Nothing is a copy before it was read.
ceph-authtool -l auth | grep -qF '[client.admin]'
monmaptool --print monmap | grep -q '^fsid '
osdmaptool --print osdmap 2>/dev/null | grep -q '^fsid '
crushtool -d crushmap | grep -q '^# rules'
for file in *.json; do python3 -c 'import json, sys; json.load(open(sys.argv[1]))' "$file"; done`,
)}`,
      300,
    ),
});
