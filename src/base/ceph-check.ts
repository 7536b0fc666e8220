import { sh, withTimeout, type Command } from './command.ts';

/** What can be asked about a Ceph cluster from one of its hosts; `may-stop-…`: whether this host's daemons of a type may be; `current-…`: whether they run what is installed. */
export const cephQuestions = [
  'quorum',
  'mgr',
  'osds',
  'pgs',
  'object',
  'may-stop-mon',
  'may-stop-mgr',
  'may-stop-osd',
  'current-mon',
  'current-mgr',
  'current-osd',
] as const;

/** Asks these questions, one after the other. Exit code 0: yes to all; otherwise what it prints says why not. */
export function checkCeph(questions: readonly (typeof cephQuestions)[number][]): Command {
  return withTimeout(sh`timeout 60 python3 -c ${program} ${questions} 2>&1`, 70);
}

// What a monitor says of others is some seconds old after a restart, so each daemon of this host is asked itself, and
// placement groups count only when they were reported after the last OSD came or went (each OSD reports every 5 s).
const program = `
import calendar, glob, json, os, re, socket, struct, subprocess, sys, time
def no(why):
    print(why, flush=True)
    os._exit(1)
def ids(kind):
    return [path.rsplit('/ceph-', 1)[1] for path in sorted(glob.glob('/var/lib/ceph/%s/ceph-*' % kind))]
def daemon(kind, name, prefix):
    try:
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(10)
            s.connect('/run/ceph/ceph-%s.%s.asok' % (kind, name))
            s.sendall(json.dumps({'prefix': prefix, 'format': 'json'}).encode() + b'\\0')
            with s.makefile('rb') as f:
                size = struct.unpack('>I', f.read(4))[0]
                return json.loads(f.read(size))
    except Exception:
        no('%s.%s does not answer' % (kind, name))
_cluster = None
def cluster():
    global _cluster
    if _cluster is None:
        try:
            import rados
            _cluster = rados.Rados(conffile='/etc/ceph/ceph.conf', name='client.admin', conf={'rados_mon_op_timeout': '15'})
            _cluster.connect(timeout=10)
        except Exception as error:
            no('Ceph does not answer: %s' % error)
    return _cluster
def ask(prefix, manager=False, **more):
    send = cluster().mgr_command if manager else cluster().mon_command
    code, out, err = send(json.dumps({'prefix': prefix, 'format': 'json', **more}), b'')
    if code:
        no('%s: %s' % (prefix, err))
    return json.loads(out or b'null')
def quorum():
    for name in ids('mon'):
        state = daemon('mon', name, 'mon_status')['state']
        if state not in ('leader', 'peon'):
            no('mon.%s is %s' % (name, state))
def managers():
    dump = ask('mgr dump')
    return dump, [dump['active_name']] * dump['available'] + [s['name'] for s in dump['standbys']]
def mgr():
    dump, there = managers()
    if not dump['available']:
        no('no manager is active')
    for name in ids('mgr'):
        if name not in there:
            no('mgr.%s is not there' % name)
def osds():
    dump = ask('osd dump')['osds']
    if not dump:
        no('there is no OSD')
    bad = ['osd.%d is %s' % (o['osd'], 'out' if o['up'] else 'down') for o in dump if not (o['up'] and o['in'])]
    if bad:
        no(', '.join(bad))
    for name in ids('osd'):
        state = daemon('osd', name, 'status')['state']
        if state != 'active':
            no('osd.%s is %s' % (name, state))
def pgs():
    changed = ask('osd dump')['last_up_change'][:19]
    if 'T' in changed and time.time() - calendar.timegm(time.strptime(changed, '%Y-%m-%dT%H:%M:%S')) < 8:
        no('OSDs came or went a moment ago')
    stat = ask('pg stat', True)
    stat = stat.get('pg_summary', stat)
    bad = ['%d %s' % (s['num'], s['name']) for s in stat['num_pg_by_state'] if not s['name'].startswith('active+clean')]
    if bad or not stat['num_pgs']:
        no('placement groups: %s' % (', '.join(bad) or 'none'))
def object():
    io = cluster().open_ioctx('.mgr')
    io.set_namespace('cellwise')
    name, data = os.uname().nodename, os.urandom(65536)
    io.write_full(name, data)
    same = io.read(name, 1 << 20) == data
    io.remove_object(name)
    if not same:
        no('an object was not read as it was written')
def may_stop_mon():
    for name in ids('mon'):
        status = daemon('mon', name, 'mon_status')
        if status['state'] in ('leader', 'peon') and len(status['monmap']['mons']) > 1:
            ask('mon ok-to-stop', ids=[name])
def may_stop_mgr():
    dump, there = managers()
    if dump['active_name'] in ids('mgr') and there and not dump['standbys'] and len(ids('mon')) < len(ask('mon dump')['mons']):
        no('no other manager could take over')
def may_stop_osd():
    dump = ask('osd dump')['osds']
    own = [o for o in dump if str(o['osd']) in ids('osd') and o['up']]
    if own and len(own) < len(dump):
        ask('osd ok-to-stop', True, ids=[str(o['osd']) for o in own])
def current(kind):
    package = subprocess.run(['dpkg-query', '-W', '-f', '\${Version}', 'ceph-base'], capture_output=True, text=True).stdout
    installed = re.match('[0-9.]*', package).group()
    for name in ids(kind):
        version = daemon(kind, name, 'version')['version']
        if version != installed:
            no('%s.%s runs %s, and %s is installed' % (kind, name, version, installed))
def current_mon():
    current('mon')
def current_mgr():
    current('mgr')
def current_osd():
    current('osd')
for question in sys.argv[1:]:
    globals()[question.replace('-', '_')]()
# Without clean-up: librados may abort while the interpreter takes itself apart.
os._exit(0)
`;
