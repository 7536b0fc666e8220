import { sh, withInput, withTimeout } from '../base/command.ts';
import { mapText, reveal, text, type Text } from '../base/secret.ts';
import type { State } from '../base/state.ts';
import { defineResource, type Found } from './define.ts';

/** A user of Ceph's object gateway, by S3 and, where it has a Swift key, by Swift. */
export const rgwUser = defineResource({
  type: 'rgw-user',
  summary: "A user of Ceph's object gateway with its S3 key and, where one is given, the key of its Swift user.",
  nameParam: 'uid',
  scope: 'cluster',
  slow: true,
  params: {
    type: 'object',
    required: ['uid', 'display_name', 'access_key', 'secret_key'],
    additionalProperties: false,
    properties: {
      uid: { type: 'string', pattern: '^[A-Za-z0-9][A-Za-z0-9._-]*$', description: 'Its name.' },
      display_name: { type: 'string', minLength: 1, description: 'Its name for people.' },
      access_key: { type: 'string', pattern: '^[A-Za-z0-9_-]+$', description: 'The name of its S3 key.' },
      secret_key: { type: 'string', format: 'secret', description: 'Its S3 key.' },
      swift_key: { type: 'string', format: 'secret', description: 'The key of its Swift user, UID:swift.' },
      system: { type: 'boolean', default: false, description: 'May act for others: for services, not for people.' },
    },
  },
  desired: (p): State => ({
    display_name: p.display_name,
    keys: { [p.access_key]: 'current' },
    system: p.system,
    ...(p.swift_key === undefined ? {} : { swift: 'current' }),
  }),
  probe: (p) =>
    withTimeout(
      sh`
command -v radosgw-admin >/dev/null || { echo "Ceph's gateway is not installed on this host" >&2; exit 127; }
timeout 60 radosgw-admin user info --uid ${p.uid} 2>/dev/null`,
      90,
    ),
  parse: (output, p): Found => {
    if (output.code === notThere) return null;
    if (output.code !== 0) return { unknown: output.err.toString().trim() || 'the gateway has no answer: does the cluster run?' };
    const user = JSON.parse(output.out.toString()) as User;
    const told = (key: string, wanted: Text | undefined): string => (wanted !== undefined && key === reveal(wanted) ? 'current' : 'other');
    const swift = user.swift_keys.find(({ user: name }) => name === `${p.uid}:swift`);
    return {
      display_name: user.display_name,
      keys: Object.fromEntries(user.keys.map((key) => [key.access_key, told(key.secret_key, p.secret_key)])),
      system: user.system === true || user.system === 'true',
      swift: swift ? told(swift.secret_key, p.swift_key) : null,
    };
  },
  // Given as options, keys would be seen in the list of processes. So the user is made without any, and then its record is
  // put back with them.
  apply: (p) =>
    withTimeout(
      withInput(
        sh`
set -e
radosgw-admin user info --uid ${p.uid} >/dev/null 2>&1 || radosgw-admin user create --uid ${p.uid} --display-name ${p.display_name} --gen-access-key=false >/dev/null
python3 -c ${putRecord} ${p.uid} ${p.display_name} ${p.access_key} ${p.swift_key === undefined ? '' : 'swift'} ${p.system ? 'system' : ''}`,
        text`{"secret_key":${inJson(p.secret_key)},"swift_key":${inJson(p.swift_key ?? '')}}`,
      ),
      180,
    ),
});

interface User {
  readonly display_name: string;
  readonly keys: readonly { readonly access_key: string; readonly secret_key: string }[];
  readonly swift_keys: readonly { readonly user: string; readonly secret_key: string }[];
  readonly system?: boolean | string;
}

// ENOENT, as radosgw-admin's exit code.
const notThere = 2;

const putRecord = `
import json, subprocess, sys
uid, display_name, access_key, swift, system = sys.argv[1:]
secret = json.load(sys.stdin)
record = json.loads(subprocess.run(['radosgw-admin', 'metadata', 'get', 'user:' + uid], capture_output=True, check=True).stdout)
user = record['data']
user['display_name'] = display_name
user['system'] = bool(system)
user['keys'] = [{'user': uid, 'access_key': access_key, 'secret_key': secret['secret_key']}]
if swift:
    name = uid + ':swift'
    user['subusers'] = [each for each in user['subusers'] if each['id'] != name] + [{'id': name, 'permissions': 'full-control'}]
    user['swift_keys'] = [{'user': name, 'secret_key': secret['swift_key']}]
put = subprocess.run(['radosgw-admin', 'metadata', 'put', 'user:' + uid], input=json.dumps(record).encode(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
sys.exit(put.returncode and 'radosgw-admin metadata put: exit code %d' % put.returncode)
`;

function inJson(value: Text): Text {
  return mapText(value, (plain) => JSON.stringify(plain));
}
