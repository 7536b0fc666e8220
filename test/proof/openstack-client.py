# A user of the cloud, on the controller: asks each API once a second, and pings a machine. What it saw is in client.json.
import json, os, re, subprocess, sys, threading, time, urllib.error, urllib.request

cloud = dict(re.findall(r'^\s*(?:export )?OS_(\w+)=[\'"]?([^\'"\n]*)', open('/root/admin-openrc').read(), re.M))
root = re.sub(r'/v3/?$', '', cloud['AUTH_URL'])
seen, lock = {}, threading.Lock()


def note(name, error):
    with lock:
        one = seen.setdefault(name, {'ok': 0, 'failed': 0, 'longest': 0, 'why': {}})
        if error is None:
            one['ok'] += 1
            one.pop('since', None)
            return
        now = time.time()
        one['failed'] += 1
        one['why'][error] = one['why'].get(error, 0) + 1
        one['longest'] = round(max(one['longest'], now - one.setdefault('since', now) + 1), 1)


def ask(url, token=None, body=None):
    headers = {'content-type': 'application/json', **({'x-auth-token': token} if token else {})}
    request = urllib.request.Request(url, headers=headers, data=body and json.dumps(body).encode())
    with urllib.request.urlopen(request, timeout=10) as answer:
        return answer.headers, json.loads(answer.read() or b'null')


def login():
    user = {'name': cloud['USERNAME'], 'password': cloud['PASSWORD'], 'domain': {'id': 'default'}}
    scope = {'project': {'name': cloud['PROJECT_NAME'], 'domain': {'id': 'default'}}}
    body = {'auth': {'identity': {'methods': ['password'], 'password': {'user': user}}, 'scope': scope}}
    headers, answer = ask(root + '/v3/auth/tokens', body=body)
    return headers['x-subject-token'], answer['token']


def watch(name, act):
    def forever():
        while True:
            begun = time.time()
            try:
                act()
                note(name, None)
            except urllib.error.HTTPError as error:
                note(name, 'HTTP %d' % error.code)
            except Exception as error:
                note(name, type(error).__name__)
            time.sleep(max(0, begun + 1 - time.time()))

    threading.Thread(target=forever, daemon=True).start()


def ping(namespace, address):
    def forever():
        command = ['ip', 'netns', 'exec', namespace, 'ping', '-n', '-i', '1', '-W', '1', '-O', address]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        for line in process.stdout:
            if 'bytes from' in line:
                note('ping', None)
            elif 'no answer yet' in line or 'Unreachable' in line:
                note('ping', 'no answer')

    threading.Thread(target=forever, daemon=True).start()


token, known = login()
project = known['project']['id']
urls = {each['type']: [e['url'] for e in each['endpoints'] if e['interface'] == 'internal'][0] for each in known['catalog']}
paths = {
    'compute': '/servers',
    'network': '/v2.0/networks',
    'image': '/v2/images',
    'placement': '/resource_providers',
    'volumev3': '/%s/volumes' % project,
    'orchestration': '/stacks',
}
watch('identity', login)
for kind, path in paths.items():
    if kind in urls:
        url = urls[kind].replace('%(tenant_id)s', project).rstrip('/') + path
        watch(kind, lambda url=url: ask(url, token))
if len(sys.argv) > 2:
    ping(sys.argv[1], sys.argv[2])
while True:
    time.sleep(1)
    with lock:
        text = json.dumps(seen)
    open('/root/client.json.new', 'w').write(text)
    os.replace('/root/client.json.new', '/root/client.json')
