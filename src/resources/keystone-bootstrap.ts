import { sh, withInput, withTimeout } from '../base/command.ts';
import { mapText, text, type Text } from '../base/secret.ts';
import { defineResource, type Found } from './define.ts';

// The API cannot be asked: it is not up before this step has run. So the probe reads Keystone's tables, at the address that
// its own configuration names, with the two modules that Keystone itself depends on: 0.5 s, where Keystone's programs need 3.
const reader = String.raw`
import configparser, json, sys, urllib.parse
want = json.load(sys.stdin)
conf = configparser.RawConfigParser(strict=False, allow_no_value=True)
if not conf.read("/etc/keystone/keystone.conf"): sys.exit("Keystone is not configured on this host")
url = urllib.parse.urlsplit(conf.get("database", "connection", fallback=""))
if not url.scheme.startswith("mysql"): sys.exit("keystone.conf names no MariaDB database")
try: import pymysql
except ImportError: sys.exit("python3-pymysql is not installed")
options = dict(urllib.parse.parse_qsl(url.query))
try:
    db = pymysql.connect(host=url.hostname, port=url.port or 3306, user=urllib.parse.unquote(url.username or ""),
        password=urllib.parse.unquote(url.password or ""), database=url.path[1:], charset="utf8mb4", connect_timeout=10,
        **({"ssl": {"ca": options["ssl_ca"]}} if "ssl_ca" in options else {}))
    def rows(sql, *values):
        with db.cursor() as cursor:
            cursor.execute(sql, values)
            return cursor.fetchall()
    user = rows("SELECT u.id, u.enabled, l.id FROM local_user l JOIN user u ON u.id = l.user_id WHERE l.name = %s AND l.domain_id = 'default'", want["user"])
    if not user: print("null"); sys.exit()
    user_id, enabled, local_id = user[0]
    hashed = rows("SELECT password_hash FROM password WHERE local_user_id = %s ORDER BY created_at_int DESC LIMIT 1", local_id)
    granted = rows("""SELECT 1 FROM assignment a JOIN project p ON p.id = a.target_id JOIN role r ON r.id = a.role_id
        WHERE a.type = 'UserProject' AND a.actor_id = %s AND p.name = %s AND p.domain_id = 'default' AND r.name = %s""", user_id, want["project"], want["role"])
    urls = rows("""SELECT e.interface, e.url FROM endpoint e JOIN service s ON s.id = e.service_id
        WHERE s.type = 'identity' AND e.region_id = %s AND e.enabled""", want["region"])
except pymysql.MySQLError as error:
    sys.exit("Keystone's database does not answer: error %s" % error.args[:1])
def verify(password, hashed):
    if hashed.startswith("$2"):
        import bcrypt
        return bcrypt.checkpw(password[:72], hashed.encode())
    from keystone.common import password_hashing
    return password_hashing._get_hasher_from_ident(hashed).verify(password, hashed)
good = bool(hashed) and verify(want["password"].encode(), hashed[0][0])
print(json.dumps({"password": "current" if good else "other", "enabled": bool(enabled), "granted": bool(granted), "urls": dict(urls)}))
`;

// Keystone's own bootstrap takes the password as an argument or from the environment, where others on the host can see it.
// sys.argv that is set inside the process can be seen nowhere.
const writer = String.raw`
import json, sys
want = json.load(sys.stdin)
sys.argv = ["keystone-manage", "bootstrap", "--bootstrap-password=" + want["password"], "--bootstrap-username=" + want["user"],
    "--bootstrap-project-name=" + want["project"], "--bootstrap-role-name=" + want["role"], "--bootstrap-service-name=" + want["service"],
    "--bootstrap-region-id=" + want["region"]] + ["--bootstrap-%s-url=%s" % (name, url) for name, url in want["urls"].items()]
from keystone.cmd.manage import main
sys.exit(main())
`;

/** Keystone's first contents: the administrator and Keystone's own entry in the catalogue. */
export const keystoneBootstrap = defineResource({
  type: 'keystone-bootstrap',
  summary: 'The administrator, with role and project, and Keystone’s own endpoints in the catalogue. Its tables and keys must be there.',
  slow: true,
  nameParam: 'region',
  identity: () => 'keystone',
  scope: 'cluster',
  params: {
    type: 'object',
    required: ['region', 'password', 'public', 'internal', 'admin'],
    additionalProperties: false,
    properties: {
      region: { type: 'string', minLength: 1, maxLength: 255, description: 'Region of the endpoints. Upper and lower case matter.' },
      password: { type: 'string', format: 'secret', description: 'The administrator’s password.' },
      public: { type: 'string', pattern: '^https?://', description: 'Public URL, e.g. http://10.0.0.10:5000/v3.' },
      internal: { type: 'string', pattern: '^https?://', description: 'Internal URL.' },
      admin: { type: 'string', pattern: '^https?://', description: 'Admin URL.' },
      user: { type: 'string', default: 'admin', description: 'Name of the administrator.' },
      project: { type: 'string', default: 'admin', description: 'Its project.' },
      role: { type: 'string', default: 'admin', description: 'Its role.' },
      service: { type: 'string', default: 'keystone', description: 'Name of the identity service in the catalogue.' },
    },
  },
  desired: (p) => ({ password: 'current', enabled: true, granted: true, urls: urls(p) }),
  probe: (p) =>
    withTimeout(
      withInput(
        sh`command -v python3 >/dev/null || { echo 'Keystone is not installed on this host' >&2; exit 127; }
python3 -I -c ${reader}`,
        input(p),
      ),
      60,
    ),
  parse: (output): Found => {
    if (output.code !== 0) return { unknown: output.err.toString().trim().split('\n').at(-1) ?? '' };
    return JSON.parse(output.out.toString()) as Found;
  },
  apply: (p) => withTimeout(withInput(sh`cd / && runuser -u keystone -- python3 -I -c ${writer}`, input(p)), 300),
});

interface Bootstrap {
  readonly region: string;
  readonly password: Text;
  readonly public: string;
  readonly internal: string;
  readonly admin: string;
  readonly user: string;
  readonly project: string;
  readonly role: string;
  readonly service: string;
}

function urls(p: Bootstrap) {
  return { public: p.public, internal: p.internal, admin: p.admin };
}

function input(p: Bootstrap): Text {
  const { region, user, project, role, service } = p;
  const open = JSON.stringify({ region, user, project, role, service, urls: urls(p) });
  return text`${open.slice(0, -1)},"password":${mapText(p.password, (password) => JSON.stringify(password))}}`;
}
