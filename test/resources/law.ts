// The law of every step type as data: what is applied, what somebody then does by hand, and what of it is mended.
import { generateKeyPairSync } from 'node:crypto';
import { sh } from '../../src/base/command.ts';
import { Secret } from '../../src/base/secret.ts';
import { authorityOf } from '../../src/certificates/authority.ts';
import { issue } from '../../src/certificates/issue.ts';
import type { AnyParams } from '../../src/resources/define.ts';
import { forget } from '../../src/resources/service.ts';

export interface Law {
  readonly type: string;
  readonly params: AnyParams;
  /** Shell, before the first look. */
  readonly prepare?: string;
  /** What the first look finds; absent when left out. */
  readonly first?: 'absent' | 'differs' | 'unknown then absent' | 'as it should be';
  /** Shell, done by hand after the second run. */
  readonly tamper?: string;
  /** The keys that the third run mends. */
  readonly mends?: readonly string[];
  /** Shell that must succeed at the end. */
  readonly then?: string;
  /** Words that the first apply tells on standard error. */
  readonly tells?: string;
  /** Words that the first apply must fail with. */
  readonly refuses?: string;
}

const nasty = `'"\`$(touch /tmp/executed)\${HOME} \\n \\\\ -x; rm -rf /tmp/x & ä€😀 %s %%`;
const everyByte = Buffer.from(Array.from({ length: 255 }, (_, i) => i + 1)).toString('base64');
const adminPassword = Secret.of('admin', `pass $(touch /tmp/executed) '"\\ wörd`);
// Letters and digits only: Keystone's db_sync breaks on a `%` in the URL of its database, PyMySQL sends Latin-1.
const keystoneDb = Secret.of('keystone-db', 'Kd7xQ2mP9v');
const otherDb = Secret.of('other-db', nasty);
export const admin = adminPassword;

const tls = {
  certificate: '/srv/tls/cert.pem',
  key: '/srv/tls/key.pem',
  authority: '/srv/tls/ca.pem',
  secret: Secret.of('authority', nasty),
  purpose: 'libvirt',
  name: 'cmp1',
  addresses: ['10.0.0.21', '10.0.1.21'],
};
const aKey = generateKeyPairSync('ed25519');
/** A certificate that is right in all else. */
const nearItsEnd = sh`
printf %s ${aKey.privateKey.export({ format: 'pem', type: 'pkcs8' }) as string} >/srv/tls/key.pem
printf %s ${issue(authorityOf(nasty, 'libvirt'), aKey.publicKey, { name: 'cmp1', addresses: ['10.0.0.22'], days: 29 }, new Date())} >/srv/tls/cert.pem`
  .script;

/** What needs nothing but a bare Debian. */
export const bare: readonly Law[] = [
  {
    type: 'directory',
    params: { path: '/srv/-law $(touch executed)', owner: 'daemon:adm', mode: '0750' },
    tamper: `chmod 0777 '/srv/-law $(touch executed)'`,
    mends: ['mode'],
  },
  {
    type: 'directory',
    params: { path: '/srv/file-in-the-way' },
    prepare: 'touch /srv/file-in-the-way',
    first: 'differs',
    refuses: 'not a directory',
  },
  { type: 'directory', params: { path: '/srv/gone', absent: true }, prepare: 'mkdir /srv/gone', first: 'differs' },
  {
    type: 'directory',
    params: { path: '/srv/full', absent: true },
    prepare: 'mkdir -p /srv/full/x',
    first: 'differs',
    refuses: 'not empty',
  },
  {
    type: 'file',
    params: { path: `/srv/${nasty.replaceAll('/', '_')}`, content: `${nasty}\n`, owner: 'daemon:adm', mode: '0640' },
    tamper: 'for f in /srv/*touch*executed*%%; do echo >>"$f"; done',
    mends: ['sha256'],
  },
  {
    type: 'file',
    params: { path: '/srv/bytes', content: everyByte, encoding: 'base64' },
    tamper: 'chown daemon /srv/bytes',
    mends: ['owner'],
  },
  {
    type: 'file',
    params: { path: '/srv/large', content: Secret.of('large', `${nasty}\n`.repeat(15_000)), mode: '0600' },
    tamper: 'chmod 0644 /srv/large; truncate -s 1000 /srv/large',
    mends: ['sha256', 'mode'],
    then: 'test $(stat -c %s /srv/large) -gt 1000000',
  },
  { type: 'file', params: { path: '/srv/nowhere/file', content: '' }, refuses: 'There is no directory /srv/nowhere' },
  {
    type: 'file',
    params: { path: '/srv/link', content: 'x' },
    prepare: 'ln -s /etc/passwd /srv/link',
    first: 'differs',
    refuses: 'symbolic link',
  },
  {
    type: 'file',
    params: { path: '/srv/checked', content: 'bad\n', validate: 'grep -q good "$1" || { echo "no good" >&2; exit 3; }' },
    refuses: 'no good',
    then: 'test ! -e /srv/checked',
  },
  {
    type: 'feature-file',
    params: {
      path: '/srv/feature',
      feature: 'openvswitch-module',
      with: { name: 'kernel', content: `with ${nasty}\n` },
      without: { name: 'none', content: `without ${nasty}\n` },
      owner: 'daemon:adm',
      mode: '0640',
    },
    tamper: 'echo mine >/srv/feature; chmod 0600 /srv/feature',
    mends: ['use', 'mode'],
    then: 'if [ -d /sys/module/openvswitch ]; then grep -q "^with " /srv/feature; else grep -q "^without " /srv/feature; fi',
  },
  {
    type: 'feature-file',
    params: {
      path: '/srv/feature',
      feature: 'kvm',
      use: 'kvm',
      with: { name: 'kvm', content: 'kvm\n' },
      without: { name: 'qemu', content: '' },
    },
    first: 'differs',
    then: 'test "$(cat /srv/feature)" = kvm',
  },
  {
    type: 'private-key',
    prepare: 'mkdir /srv/tls',
    params: { path: '/srv/tls/key.pem', owner: 'root:adm', mode: '0640' },
    tamper: 'cp /srv/tls/key.pem /srv/tls/old.pem; chmod 0644 /srv/tls/key.pem',
    mends: ['mode'],
    then: '! cmp -s /srv/tls/key.pem /srv/tls/old.pem && test "$(ls -A /srv/tls | sort | xargs)" = "key.pem old.pem"',
  },
  {
    type: 'private-key',
    prepare: 'openssl genpkey -algorithm RSA -out /srv/tls/rsa.pem 2>/dev/null; chmod 0600 /srv/tls/rsa.pem',
    params: { path: '/srv/tls/rsa.pem' },
    first: 'differs',
    tamper: 'echo nonsense >/srv/tls/rsa.pem',
    mends: ['key'],
  },
  {
    type: 'tls-certificate',
    params: tls,
    first: 'differs',
    tamper: 'openssl genpkey -algorithm ed25519 -out /srv/tls/key.pem; sha256sum /srv/tls/ca.pem >/srv/tls/sum',
    mends: ['certificate'],
    then: 'sha256sum --quiet -c /srv/tls/sum && openssl verify -purpose sslclient -verify_ip 10.0.1.21 -CAfile /srv/tls/ca.pem /srv/tls/cert.pem && test "$(stat -c "%U:%G %a" /srv/tls/cert.pem)" = "root:root 644"',
  },
  {
    type: 'tls-certificate',
    params: { ...tls, addresses: ['10.0.0.22'] },
    first: 'differs',
    tamper: nearItsEnd,
    mends: ['certificate'],
    then: 'openssl x509 -checkend 31536000 -in /srv/tls/cert.pem && sha256sum --quiet -c /srv/tls/sum',
  },
  {
    type: 'tls-certificate',
    params: { ...tls, secret: Secret.of('authority', 'rotated') },
    first: 'differs',
    tamper: 'rm /srv/tls/ca.pem',
    mends: ['authority'],
    then: '! sha256sum --quiet -c /srv/tls/sum 2>/dev/null && openssl verify -CAfile /srv/tls/ca.pem /srv/tls/cert.pem',
  },
  {
    type: 'tls-certificate',
    params: { ...tls, purpose: 'qemu' },
    first: 'differs',
    tamper: 'echo nonsense >/srv/tls/cert.pem',
    mends: ['certificate', 'names'],
  },
  { type: 'symlink', params: { path: '/srv/to', target: nasty }, tamper: 'ln -sfn /elsewhere /srv/to', mends: ['target'] },
  {
    type: 'symlink',
    params: { path: '/srv/a-file', target: '/x' },
    prepare: 'touch /srv/a-file',
    first: 'differs',
    refuses: 'not a symbolic link',
  },
  { type: 'symlink', params: { path: '/srv/to', absent: true }, first: 'differs' },
  {
    type: 'ini-setting',
    prepare: `printf '# top\\n[one]\\n#key = 1\\nother=x\\n\\n[two]\\nkey: a\\n  more\\nkey = b\\nlast = y' >/srv/law.ini; chown daemon:adm /srv/law.ini; chmod 0640 /srv/law.ini`,
    params: { file: '/srv/law.ini', section: 'two', key: 'key', value: Secret.of('value', nasty) },
    first: 'differs',
    tamper: `sed -i 's/^key = .*/key = else/' /srv/law.ini`,
    mends: ['value'],
    then: `test "$(stat -c %U:%G:%a /srv/law.ini)" = daemon:adm:640 && test "$(grep -c . /srv/law.ini)" = 7 && test "$(tail -c 8 /srv/law.ini)" = 'last = y'`,
  },
  {
    type: 'ini-setting',
    params: { file: '/srv/law.ini', section: 'one', key: 'key', value: '2' },
    tamper: `sed -i '/^key = 2/p' /srv/law.ini`,
    mends: ['times'],
    then: `test "$(sed -n 4p /srv/law.ini)" = 'key = 2'`,
  },
  { type: 'ini-setting', params: { file: '/srv/law.ini', section: 'two', key: 'key', absent: true }, first: 'differs' },
  { type: 'ini-setting', params: { file: '/srv/law.ini', section: 'new one', key: 'a b', value: '', separator: '=' } },
  { type: 'ini-setting', params: { file: '/srv/none.ini', key: 'a', value: 'b' }, refuses: 'is not there' },
  {
    type: 'sysctl',
    params: { key: 'net.ipv4.ip_local_port_range', value: '20000 60000' },
    first: 'differs',
    tamper: `echo 20000 50000 >/proc/sys/net/ipv4/ip_local_port_range`,
    mends: ['live'],
  },
  {
    type: 'sysctl',
    params: { key: 'vm.swappiness', value: 11 },
    first: 'differs',
    tamper: 'rm /etc/sysctl.d/60-cellwise-vm.swappiness.conf',
    mends: ['file'],
  },
  { type: 'sysctl', params: { key: 'net.no.such', value: 1 }, first: 'differs', refuses: 'no setting net.no.such' },
  { type: 'group', params: { name: 'law', gid: 4242 }, tamper: 'groupmod -g 4243 law', mends: ['gid'] },
  {
    type: 'user',
    params: {
      name: 'laura',
      uid: 4300,
      groups: ['law', 'adm'],
      shell: '/bin/sh',
      ssh_keys: ['ssh-ed25519 AAAAC3Nza someone@$(touch /tmp/executed)', 'ssh-rsa AAAAB3 other'],
      sudo: true,
      lock_password: true,
    },
    tamper: 'gpasswd -d laura law; echo "ssh-ed25519 BAD evil" >>/home/laura/.ssh/authorized_keys; echo laura:secret | chpasswd',
    mends: ['groups', 'password', 'ssh_keys'],
    then: 'test "$(stat -c %U:%a /home/laura/.ssh/authorized_keys)" = laura:600 && id -nG laura | grep -qw adm && runuser -u laura -- sudo -n true',
  },
  {
    type: 'user',
    params: { name: 'laura', sudo: false, shell: '/bin/bash' },
    first: 'differs',
    then: '! runuser -u laura -- sudo -n true 2>/dev/null',
  },
  {
    type: 'user',
    params: { name: 'daemon-of-law', system: true, home: '/srv', shell: '/usr/sbin/nologin' },
    tamper: 'usermod -s /bin/sh daemon-of-law',
    mends: ['shell'],
  },
  { type: 'user', params: { name: 'laura', absent: true }, first: 'differs' },
  { type: 'group', params: { name: 'law', absent: true }, first: 'differs' },
  {
    type: 'service',
    prepare: `printf '[Service]\\nExecStart=/bin/sleep infinity\\n[Install]\\nWantedBy=multi-user.target\\n' >/etc/systemd/system/law.service`,
    params: { unit: 'law', digest: 'aa11', watches: ['/x'] },
    first: 'differs',
    tamper: 'systemctl stop law; systemctl disable -q law',
    mends: ['enabled', 'state'],
    then: 'systemctl is-enabled -q law && test "$(cat /var/lib/cellwise/units/law.service)" = aa11 && test "$(stat -c %a /var/lib/cellwise/units)" = 700',
  },
  {
    type: 'service',
    prepare: 'systemctl show -P MainPID law >/tmp/pid',
    params: { unit: 'law.service', digest: 'bb22' },
    first: 'differs',
    tamper: forget('law').script,
    mends: ['loaded'],
    then: 'test "$(systemctl show -P MainPID law)" != "$(cat /tmp/pid)"',
  },
  {
    type: 'service',
    prepare: `printf '[Service]\\nExecStart=/bin/sh -c "echo the reason; sleep 0.3; exit 1"\\n' >/etc/systemd/system/broken.service; systemctl daemon-reload`,
    params: { unit: 'broken', digest: 'cc33' },
    first: 'differs',
    refuses: 'the reason',
    then: 'test ! -e /var/lib/cellwise/units/broken.service',
  },
  {
    type: 'service',
    prepare: 'ln -s /dev/null /etc/systemd/system/never.service',
    params: { unit: 'never' },
    first: 'differs',
    refuses: 'is masked',
  },
  { type: 'service', params: { unit: 'no-such' }, refuses: 'There is no unit' },
  {
    type: 'service',
    params: { unit: 'law', enabled: false, state: 'stopped' },
    first: 'differs',
    tamper: 'systemctl start law',
    mends: ['state'],
  },
  {
    type: 'command',
    params: {
      run: `cat >'/srv/done $(x)'; id -un >>/srv/who; pwd >>/srv/who`,
      creates: '/srv/done $(x)',
      stdin: Secret.of('input', nasty),
      cwd: '/usr',
    },
    tamper: `rm '/srv/done $(x)'`,
    mends: ['done'],
    then: `printf '%s' "${nasty.replaceAll(/["\\$`]/g, String.raw`\$&`)}" | cmp - '/srv/done $(x)'`,
  },
  {
    type: 'command',
    params: { run: 'touch /tmp/by-daemon', unless: 'test -e /tmp/by-daemon', user: 'daemon' },
    then: 'test "$(stat -c %U /tmp/by-daemon)" = daemon',
  },
  { type: 'command', params: { run: 'rm /tmp/by-daemon', onlyif: 'test -e /tmp/by-daemon' } },
  {
    type: 'hosts-file',
    params: {
      entries: [
        { address: '10.0.0.11', names: ['ctl-1.cloud', 'ctl-1'] },
        { address: 'fd00::12', names: ['ctl-2'] },
      ],
    },
    tamper: `sed 's/^10.0.0.11.*/10.9.9.9 ctl-1/' /etc/hosts >/tmp/h; echo '1.2.3.4 mine' >>/tmp/h; cat /tmp/h >/etc/hosts`,
    mends: ['block'],
    then: `grep -qx '1.2.3.4 mine' /etc/hosts && grep -q localhost /etc/hosts && test "$(getent hosts ctl-1 | cut -d' ' -f1)" = 10.0.0.11`,
  },
  {
    type: 'hosts-file',
    prepare: `sed '/^# cellwise: end/d' /etc/hosts >/tmp/h; cat /tmp/h >/etc/hosts`,
    params: { entries: [{ address: '10.0.0.11', names: ['ctl-1'] }] },
    first: 'differs',
    then: `grep -qx '1.2.3.4 mine' /etc/hosts && test "$(grep -c cellwise /etc/hosts)" = 2`,
  },
  { type: 'hosts-file', params: { entries: [] }, first: 'differs', then: 'grep -q localhost /etc/hosts && ! grep -q cellwise /etc/hosts' },
  {
    type: 'timezone',
    params: { zone: 'Europe/Berlin' },
    first: 'differs',
    tamper: 'ln -sfn /usr/share/zoneinfo/Etc/UTC /etc/localtime',
    mends: ['zone'],
    then: 'test "$(date +%Z)" != UTC',
  },
  { type: 'timezone', params: { zone: 'No/Where' }, first: 'differs', refuses: 'no time zone' },
  {
    type: 'swift-ring',
    prepare: 'mkdir -p /etc/swift',
    params: {
      ring: 'object',
      hosts: [1, 2, 3].map((i) => ({ name: `sto${i}`, address: `10.0.0.3${i}`, disks: ['/dev/sdb', '/dev/sdc'] })),
      port: 6200,
      part_power: 8,
      replicas: 3,
    },
    tamper: 'echo spoilt | gzip >/etc/swift/object.ring.gz; chmod 600 /etc/swift/object.ring.gz',
    mends: ['sha256', 'mode'],
    then: 'test "$(gzip -dc /etc/swift/object.ring.gz | head -c 4)" = R1NG && test "$(ls -A /etc/swift)" = object.ring.gz',
  },
  {
    type: 'swift-ring',
    params: {
      ring: 'object',
      hosts: [{ name: 'sto1', address: '10.0.0.31', disks: ['/dev/sdb'] }],
      port: 6200,
      part_power: 9,
      replicas: 3,
    },
    first: 'differs',
    refuses: 'can never change',
  },
  {
    type: 'apt-source',
    params: {
      name: 'backports',
      suite: 'trixie-backports',
      priority: 50,
      pins: [{ packages: ['nova-*'], priority: 700 }],
      check_valid_until: false,
    },
    tamper: `sed -i 's|^URIs: .*|URIs: http://elsewhere.invalid/debian|' /etc/apt/sources.list.d/cellwise-backports.sources; echo >>/etc/apt/preferences.d/cellwise-backports`,
    mends: ['mirror', 'preferences'],
    then: `apt-get update -q && apt-cache policy | grep -q 'n=trixie-backports' && apt-cache policy | grep -B1 'n=trixie-backports' | grep -q ' 50 '`,
  },
  {
    type: 'apt-source',
    prepare: `mkdir /tmp/apt; cp /etc/apt/sources.list* -a /tmp/apt; rm -f /etc/apt/sources.list; printf 'Types: deb\\nURIs: http://security.example/debian-security\\nSuites: trixie-security\\nComponents: main\\n\\n# x\\nTypes: deb\\nURIs: http://mirror.example/debian\\nSuites: trixie\\nComponents: main\\nSigned-By: /usr/share/keyrings/k.gpg\\n' >/etc/apt/sources.list.d/debian.sources`,
    params: { name: 'other', suite: 'forky' },
    then: `grep -qx 'URIs: http://mirror.example/debian' /etc/apt/sources.list.d/cellwise-other.sources && grep -qx 'Signed-By: /usr/share/keyrings/k.gpg' /etc/apt/sources.list.d/cellwise-other.sources && rm /etc/apt/sources.list.d/* && cp -a /tmp/apt/. /etc/apt/`,
  },
];

/** One after the other, on the same machine: packages, then the services that they bring. */
export const grown: readonly Law[] = [
  { type: 'package', params: { names: 'no-such-package-at-all' }, first: 'differs', refuses: 'There is no package no-such-package-at-all' },
  { type: 'package', params: { names: 'mail-transport-agent' }, first: 'differs', refuses: 'cannot be installed itself' },
  {
    type: 'package',
    params: {
      names: ['mariadb-server', 'rabbitmq-server', 'keystone', 'python3-pymysql', 'tzdata', 'systemd-timesyncd', 'mariadb-client=1:*'],
      hold: ['keystone'],
      preseed: ['tzdata tzdata/Areas select Europe', 'keystone keystone/configure_db boolean false'],
      units: ['mariadb.service', 'rabbitmq-server.service', 'keystone.service'],
    },
    prepare: `printf '#!/bin/sh\\nexit 0\\n' >/usr/sbin/policy-rc.d; chmod +x /usr/sbin/policy-rc.d; setsid perl -e 'use Fcntl; open F,"+>>","/var/lib/dpkg/lock-frontend"; $l=pack("s s x4 q q i x4",F_WRLCK,0,0,0,0); fcntl(F,F_SETLK,$l) or die; sleep 4' >/dev/null 2>&1 & sleep 0.5`,
    first: 'differs',
    tells: 'waiting for process',
    tamper: 'apt-mark unhold keystone',
    mends: ['keystone'],
    then: `! systemctl is-active -q mariadb && ! systemctl is-active -q rabbitmq-server && ! systemctl is-active -q keystone && systemctl is-active -q ssh && test "$(cat /usr/sbin/policy-rc.d | tail -1)" = 'exit 0' && rm /usr/sbin/policy-rc.d`,
  },
  {
    type: 'package',
    params: { names: ['less', 'tree'] },
    prepare: `printf '#!/bin/sh\\n# Written by Cellwise for the time of one apt transaction.\\nexit 101\\n' >/usr/sbin/policy-rc.d`,
    first: 'differs',
    tamper:
      'dpkg --unpack /var/cache/apt/archives/tree_*.deb >/dev/null 2>&1 || { cd /tmp && apt-get download -q tree && dpkg --unpack tree_*.deb; }',
    mends: ['dpkg database', 'tree'],
    then: 'test ! -e /usr/sbin/policy-rc.d && dpkg -s tree | grep -q "install ok installed"',
  },
  {
    type: 'time-sync',
    params: { implementation: 'systemd-timesyncd', servers: ['ntp.example', '10.0.0.1'] },
    first: 'differs',
    tamper: 'systemctl disable -q systemd-timesyncd; rm /etc/systemd/timesyncd.conf.d/*',
    mends: ['enabled', 'servers'],
  },
  { type: 'service', params: { unit: 'mariadb', digest: 'd1' }, first: 'differs' },
  {
    type: 'mysql-database',
    params: { database: 'keystone', charset: 'utf8', collate: 'utf8_general_ci' },
    tamper: `mariadb -e 'ALTER DATABASE keystone CHARACTER SET latin1'`,
    mends: ['charset', 'collate'],
  },
  { type: 'mysql-database', params: { database: "we`ird 'ß\\" }, tamper: `mariadb -e 'SET sql_mode=ANSI_QUOTES'`, mends: [] },
  {
    type: 'mysql-user',
    params: { user: 'keystone', host: '%', password: keystoneDb, grants: [{ on: 'keystone.*' }] },
    tamper: `mariadb -e "SET PASSWORD FOR keystone@'%' = PASSWORD('else'); GRANT SELECT ON *.* TO keystone@'%'; GRANT ALL ON \\\`keystone_x\\\`.* TO keystone@'%'"`,
    mends: ['password', 'grants'],
    then: `printf '%s' "$PASSWORD" >/dev/null; test "$(mariadb -NBe "SHOW GRANTS FOR keystone@'%'" | wc -l)" = 2`,
  },
  {
    type: 'mysql-user',
    params: {
      user: "o'd\\d",
      host: 'localhost',
      password: otherDb,
      grants: [
        { on: 'nova_api.*', privileges: 'select,INSERT' },
        { on: '*.*', privileges: 'PROCESS' },
      ],
    },
    tamper: `mariadb <<'SQL'
GRANT ALL ON \`nova\\_api\`.* TO "o'd\\\\d"@localhost WITH GRANT OPTION
SQL`,
    mends: ['grants'],
  },
  { type: 'mysql-user', params: { user: "o'd\\d", host: 'localhost', absent: true }, first: 'differs' },
  { type: 'service', params: { unit: 'rabbitmq-server' }, first: 'differs' },
  { type: 'rabbitmq-vhost', params: { vhost: nasty }, tamper: 'rabbitmqctl -q list_vhosts name | grep -c touch', mends: [] },
  {
    type: 'rabbitmq-user',
    params: { user: 'openstack', password: Secret.of('rabbit', nasty), tags: ['monitoring'], permissions: { '/': '.*' } },
    tamper: `rabbitmqctl -q change_password openstack other; rabbitmqctl -q set_user_tags openstack administrator; rabbitmqctl -q set_permissions -p / openstack x y z`,
    mends: ['password', 'tags', 'permissions'],
  },
  { type: 'rabbitmq-user', params: { user: 'guest', absent: true }, first: 'differs' },
  { type: 'rabbitmq-user', params: { user: 'openstack', absent: true, idle: true }, first: 'differs' },
  {
    type: 'ini-setting',
    params: {
      file: '/etc/keystone/keystone.conf',
      section: 'database',
      key: 'connection',
      value: Secret.of('connection', `mysql+pymysql://keystone:${keystoneDb.reveal()}@127.0.0.1/keystone`),
    },
  },
  { type: 'ini-setting', params: { file: '/etc/keystone/keystone.conf', section: 'token', key: 'provider', value: 'fernet' } },
  {
    type: 'ini-setting',
    params: { file: '/etc/keystone/keystone-uwsgi.ini', section: 'uwsgi', key: 'plugins', value: 'python3' },
    first: 'differs',
  },
  {
    type: 'ini-setting',
    params: { file: '/etc/keystone/keystone-uwsgi.ini', section: 'uwsgi', key: 'processes', value: '1' },
    first: 'differs',
  },
  {
    type: 'ini-setting',
    params: { file: '/etc/keystone/keystone-uwsgi.ini', section: 'uwsgi', key: 'apparmor-profile', absent: true },
    first: 'differs',
  },
  {
    type: 'db-sync',
    params: { service: 'keystone', command: 'keystone-manage db_sync', package: 'python3-keystone' },
    first: 'differs',
    tamper: 'rm /var/lib/cellwise/db-sync/keystone',
    mends: ['synced'],
  },
  // What was migrated as a whole is expanded.
  {
    type: 'db-sync',
    params: { service: 'keystone', command: 'keystone-manage db_sync --expand', package: 'python3-keystone', expand: true },
    first: 'as it should be',
    tamper: 'rm /var/lib/cellwise/db-sync/keystone',
    mends: ['synced'],
    then: 'test -e /var/lib/cellwise/db-sync/keystone.expanded',
  },
  {
    type: 'online-migrations',
    // Three turns: as long as there is more it says 1.
    params: { service: 'keystone', command: 'echo x >>/tmp/turns; test $(wc -l </tmp/turns) -ge 3', package: 'python3-keystone' },
    first: 'differs',
    tamper: 'rm /var/lib/cellwise/online-migrations/keystone',
    mends: ['migrated'],
    then: 'test $(wc -l </tmp/turns) = 4',
  },
  {
    type: 'online-migrations',
    params: { service: 'broken', command: 'exit 2', package: 'python3-keystone', user: 'keystone' },
    first: 'differs',
    refuses: 'cannot be migrated',
  },
  {
    type: 'backup',
    params: { name: 'law', databases: ['keystone'], paths: ['/etc/keystone'] },
    tamper:
      'cd /var/backups/cellwise/law && gzip -cd keystone.sql.gz | head -n 50 | gzip >x && mv x keystone.sql.gz && touch -d "2 days ago" .',
    mends: ['age', 'copies'],
    then: 'cd /var/backups/cellwise && test $(stat -c %a law) = 700 && tar -tzf law/files.tar.gz | grep -q etc/keystone/keystone.conf && ! ls | grep -q new',
  },
  {
    type: 'backup',
    params: { name: 'gone', databases: ['keystone'], paths: ['/etc/nowhere'] },
    refuses: 'The archive of files cannot be made',
  },
  {
    type: 'command',
    params: {
      run: 'keystone-manage fernet_setup --keystone-user keystone --keystone-group keystone',
      creates: '/etc/keystone/fernet-keys/0',
    },
  },
  {
    type: 'command',
    params: {
      run: 'keystone-manage credential_setup --keystone-user keystone --keystone-group keystone',
      creates: '/etc/keystone/credential-keys/0',
    },
  },
  {
    type: 'keystone-bootstrap',
    params: {
      region: 'RegionOne',
      password: adminPassword,
      public: 'http://keystone.example:5000/v3',
      internal: 'http://127.0.0.1:5000/v3',
      admin: 'http://127.0.0.1:5000/v3',
    },
    tamper: `mariadb keystone -e "UPDATE endpoint SET url='http://wrong' WHERE interface='public'; UPDATE password SET password_hash=REPLACE(password_hash, RIGHT(password_hash, 4), 'aaaa')"`,
    mends: ['password', 'urls'],
  },
  { type: 'service', params: { unit: 'keystone', digest: 'e1' }, first: 'differs' },
  { type: 'keystone-project', params: { project: 'serviçe & <x>', description: nasty.replace('😀', '') } },
  {
    type: 'keystone-project',
    params: { project: 'service' },
    tamper: `mariadb keystone -e "UPDATE project SET enabled=0 WHERE name='service'"`,
    mends: ['enabled'],
  },
  { type: 'keystone-role', params: { role: 'heat_stack_owner' } },
  {
    type: 'keystone-domain',
    params: { domain: 'heat ä', description: nasty.replace('😀', '') },
    tamper: `mariadb keystone -e "UPDATE project SET enabled=0 WHERE is_domain AND name LIKE 'heat%'"`,
    mends: ['enabled'],
  },
  {
    type: 'keystone-user',
    params: { user: 'heat_domain_admin', domain: 'heat ä', password: Secret.of('heat', nasty), domain_roles: ['admin'] },
    tamper: `mariadb keystone -e "DELETE a FROM assignment a JOIN local_user l ON l.user_id=a.actor_id WHERE l.name='heat_domain_admin'"`,
    mends: ['roles'],
  },
  {
    type: 'keystone-user',
    params: {
      user: 'nova',
      password: Secret.of('nova', nasty),
      roles: [
        { role: 'admin', project: 'service' },
        { role: 'service', project: 'service' },
      ],
    },
    tamper: `mariadb keystone -e "UPDATE password p JOIN local_user l ON l.id=p.local_user_id SET password_hash=REPLACE(password_hash, RIGHT(password_hash, 4), 'aaaa') WHERE l.name='nova'; DELETE a FROM assignment a JOIN role r ON r.id=a.role_id JOIN local_user l ON l.user_id=a.actor_id WHERE r.name='service' AND l.name='nova'"`,
    mends: ['password', 'roles'],
  },
  {
    type: 'keystone-service',
    params: {
      service: 'compute',
      name: 'nova',
      description: 'Compute',
      region: 'RegionOne',
      public: 'http://pub:8774/v2.1',
      internal: 'http://int:8774/v2.1',
      admin: 'http://int:8774/v2.1',
    },
    tamper: `mariadb keystone -e "DELETE FROM endpoint WHERE url='http://pub:8774/v2.1'; UPDATE service SET extra=REPLACE(extra, 'Compute', 'Else') WHERE type='compute'"`,
    mends: ['description', 'public'],
  },
  { type: 'package', params: { names: ['openvswitch-switch', 'nova-common'], units: ['openvswitch-switch'] }, first: 'differs' },
  { type: 'service', params: { unit: 'ovsdb-server' }, first: 'differs' },
  {
    type: 'ovs-datapath',
    params: { datapath: 'netdev' },
    first: 'differs',
    tamper: 'ovs-vsctl --no-wait remove Open_vSwitch . other_config userspace-tso-enable',
    mends: ['set_for'],
  },
  {
    type: 'ovs-datapath',
    params: { datapath: 'system' },
    first: 'differs',
    then: 'test -z "$(ovs-vsctl --if-exists get Open_vSwitch . other_config:userspace-tso-enable)"',
  },
  { type: 'service', params: { unit: 'ovs-vswitchd' }, first: 'differs' },
  {
    type: 'ovs-bridge',
    prepare: 'ip link add law0 type veth peer name other0 && ip link add law1 type veth peer name other1',
    params: { bridge: 'br-law', interfaces: ['law0', 'law1'], datapath: 'netdev' },
    tamper:
      'ovs-vsctl del-port br-law law1 && ip link set law0 down && ovs-vsctl add-port br-law theirs -- set interface theirs type=internal',
    mends: ['missing', 'down'],
    then: 'ovs-vsctl list-ports br-law | grep -qx theirs',
  },
  { type: 'ovs-bridge', params: { bridge: 'br-none', interfaces: ['no-such'] }, refuses: 'no interface no-such' },
  ...['nova_api', 'nova_cell0', 'nova'].map((database): Law => ({ type: 'mysql-database', params: { database } })),
  {
    type: 'mysql-user',
    params: {
      user: 'nova',
      password: keystoneDb,
      grants: [{ on: 'nova_api.*' }, { on: 'nova_cell0.*' }, { on: 'nova.*' }],
    },
  },
  ...(
    [
      ['api_database', 'nova_api'],
      ['database', 'nova'],
    ] as const
  ).map(([section, database]): Law => ({
    type: 'ini-setting',
    params: {
      file: '/etc/nova/nova.conf',
      section,
      key: 'connection',
      value: Secret.of('connection', `mysql+pymysql://nova:${keystoneDb.reveal()}@127.0.0.1:3306/${database}?charset=utf8mb3`),
    },
    first: 'differs',
  })),
  {
    type: 'db-sync',
    params: { service: 'nova-api', command: 'nova-manage api_db sync', package: 'python3-nova', databases: ['nova_api'], user: 'nova' },
    first: 'differs',
  },
  {
    type: 'nova-cell',
    params: { cell: 'cell0', database: '{scheme}://{username}:{password}@{hostname}:{port}/nova_cell0?{query}', queue: 'none:///' },
    tamper: `mariadb nova_api -e "UPDATE cell_mappings SET database_connection='mysql://wrong' WHERE name='cell0'"`,
    mends: ['database'],
    then: `test "$(mariadb -NBe "SELECT transport_url, disabled FROM nova_api.cell_mappings WHERE name = 'cell0'")" = "$(printf 'none:///\t0')"`,
  },
  {
    type: 'nova-cell',
    params: {
      cell: 'cell1',
      database: '{scheme}://{username}:{password}@{hostname}:{port}/nova?{query}',
      queue: 'rabbit://{username}:{password}@127.0.0.1:5672/',
    },
    tamper: `mariadb nova_api -e "UPDATE cell_mappings SET disabled=1, transport_url='rabbit://wrong' WHERE name='cell1'"`,
    mends: ['queue', 'disabled'],
    then: `test "$(mariadb -NBe 'SELECT COUNT(*) FROM nova_api.cell_mappings')" = 2`,
  },
  {
    type: 'nova-cell',
    params: {
      cell: 'cell2',
      database: Secret.of('database', 'mysql+pymysql://nova:$$a%40@10.0.0.9:3306/nova?charset=utf8mb4'),
      queue: Secret.of('queue', 'rabbit://openstack:$b@10.0.0.9:5672/'),
    },
    tamper: `mariadb nova_api -e "UPDATE cell_mappings SET transport_url='rabbit://wrong' WHERE name='cell2'"`,
    mends: ['queue'],
    then: `test "$(mariadb -NBe "SELECT transport_url FROM nova_api.cell_mappings WHERE name = 'cell2'")" = 'rabbit://openstack:$b@10.0.0.9:5672/'`,
  },
  {
    type: 'db-sync',
    params: { service: 'nova', command: 'nova-manage db sync', package: 'python3-nova', databases: ['nova', 'nova_cell0'] },
    first: 'differs',
  },
  {
    type: 'nova-discover',
    prepare: `mariadb nova <<'SQL'
INSERT INTO services (host, \`binary\`, topic, report_count, disabled, forced_down, deleted, version, uuid)
VALUES ('cmp1', 'nova-compute', 'compute', 1, 0, 0, 0, 68, UUID()), ('ctl1', 'nova-conductor', 'conductor', 1, 0, 0, 0, 68, UUID())
SQL`,
    params: { cell: 'cell1', database: 'nova', address: '127.0.0.1', user: 'nova', password: keystoneDb },
    first: 'differs',
    tamper: 'mariadb nova_api -e "DELETE FROM host_mappings"',
    mends: ['unmapped'],
    then: `test "$(mariadb -NBe 'SELECT host FROM nova_api.host_mappings')" = cmp1`,
  },
];
