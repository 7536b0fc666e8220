import { createHash } from 'node:crypto';
import { Secret } from '../../src/base/secret.ts';
import type { Case } from './case.ts';

const password = Secret.of('nova', 'pass"word');
const sha1 = (data: string | Buffer) => createHash('sha1').update(data).digest();
const hash = `*${sha1(sha1('pass"word')).toString('hex').toUpperCase()}`;
const hashed = password.map(() => hash);
const mode = "\nSET SESSION sql_mode = 'NO_BACKSLASH_ESCAPES';\n";
const base64 = (text: string) => Buffer.from(text).toString('base64');
const may = (vhost: string, pattern: string) => `may ${[vhost, pattern, pattern, pattern].map(base64).join(' ')}\n`;
const keystone = { region: 'RegionOne', password, public: 'http://p', internal: 'http://i', admin: 'http://a' };
const nova = { user: 'nova', password, grants: [{ on: 'nova_api.*' }] };
const openstack = { user: 'openstack', password };

export const databases: readonly Case[] = [
  {
    type: 'mysql-database',
    is: 'absent',
    params: { database: 'we`ird' },
    answer: '',
    found: null,
    differs: ['charset', 'collate'],
    input: 'CREATE DATABASE `we``ird` CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci;\n',
  },
  {
    type: 'mysql-database',
    is: 'the same, by its old name',
    params: { database: 'ab', charset: 'utf8', collate: 'utf8_general_ci' },
    answer: '6162\tutf8mb3\tutf8mb3_general_ci\n',
    found: { charset: 'utf8mb3', collate: 'utf8mb3_general_ci' },
    differs: null,
  },
  {
    type: 'mysql-database',
    is: 'another collation',
    params: { database: 'ab' },
    answer: '6162\tutf8mb4\tutf8mb4_bin\n',
    found: { charset: 'utf8mb4', collate: 'utf8mb4_bin' },
    differs: ['collate'],
    input: 'ALTER DATABASE `ab` CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci;\n',
  },
  {
    type: 'mysql-database',
    is: 'a server that is down',
    params: { database: 'ab' },
    answer: { code: 1, err: "Can't connect (2)\n" },
    found: { unknown: "Can't connect (2)" },
  },
  {
    type: 'mysql-user',
    is: 'absent',
    params: nova,
    answer: '',
    found: null,
    differs: ['password', 'grants'],
    leaves: ['pass', hash],
    input: Secret.join([
      `${mode}CREATE USER 'nova'@'%' IDENTIFIED VIA mysql_native_password USING '`,
      hashed,
      `';\nGRANT ALL PRIVILEGES ON \`nova\\_api\`.* TO 'nova'@'%';`,
    ]),
  },
  {
    type: 'mysql-user',
    is: 'the same',
    params: nova,
    answer: `user\t0\tmysql_native_password\t${hash}\nGRANT USAGE ON *.* TO \`nova\`@\`%\` IDENTIFIED BY PASSWORD '${hash}'\nGRANT ALL PRIVILEGES ON \`nova\\\\_api\`.* TO \`nova\`@\`%\`\n`,
    found: { password: 'current', grants: { 'nova_api.*': 'ALL PRIVILEGES' } },
    differs: null,
  },
  {
    type: 'mysql-user',
    is: 'another password, and too many rights',
    params: nova,
    answer:
      'user\t0\tmysql_native_password\t*AB\nGRANT SELECT ON *.* TO `nova`@`%` WITH GRANT OPTION\nGRANT ALL PRIVILEGES ON `nova_api`.* TO `nova`@`%`\n',
    found: { password: 'other', grants: { '*.*': 'SELECT WITH GRANT OPTION', 'pattern nova_api.*': 'ALL PRIVILEGES' } },
    differs: ['password', 'grants'],
    input: Secret.join([
      `${mode}ALTER USER 'nova'@'%' IDENTIFIED VIA mysql_native_password USING '`,
      hashed,
      `';\nREVOKE ALL PRIVILEGES ON *.* FROM 'nova'@'%';\nREVOKE GRANT OPTION ON *.* FROM 'nova'@'%';\nREVOKE ALL PRIVILEGES ON \`nova_api\`.* FROM 'nova'@'%';\nGRANT ALL PRIVILEGES ON \`nova\\_api\`.* TO 'nova'@'%';`,
    ]),
  },
  {
    type: 'mysql-user',
    is: 'there, but must not be',
    params: { user: "o'x", host: 'localhost', absent: true },
    answer: 'user\t0\tunix_socket\t\n',
    found: { password: 'other', grants: {} },
    differs: ['password', 'grants'],
    input: `${mode}DROP USER 'o''x'@'localhost';`,
  },
  {
    type: 'mysql-user',
    is: 'no MariaDB',
    params: nova,
    answer: { code: 127, err: 'MariaDB is not installed on this host\n' },
    found: { unknown: 'MariaDB is not installed on this host' },
  },
  {
    type: 'rabbitmq-vhost',
    is: 'absent',
    params: { vhost: '/"' },
    answer: 'exists false\n',
    found: null,
    differs: ['there'],
    input: 'rabbit_vhost:add(<<47,34>>, <<"cellwise">>), io:format("done~n").\n',
  },
  { type: 'rabbitmq-vhost', is: 'the same', params: { vhost: '/' }, answer: 'exists true\n', found: { there: true }, differs: null },
  {
    type: 'rabbitmq-vhost',
    is: 'a node that is down',
    params: { vhost: '/' },
    answer: { code: 1 },
    found: { unknown: 'RabbitMQ does not answer on this host' },
  },
  {
    type: 'rabbitmq-user',
    is: 'absent',
    params: openstack,
    answer: 'absent\n',
    found: null,
    differs: ['password', 'tags', 'permissions'],
    runs: ['erl_call'],
    leaves: ['pass', '112,97'],
    input: Secret.join([
      'ok = rabbit_auth_backend_internal:add_user(<<111,112,101,110,115,116,97,99,107>>, ',
      password.map((plain) => `<<${[...Buffer.from(plain)].join(',')}>>`),
      `, <<"cellwise">>),\nrabbit_auth_backend_internal:set_tags(<<111,112,101,110,115,116,97,99,107>>, [], <<"cellwise">>),\nrabbit_auth_backend_internal:set_permissions(<<111,112,101,110,115,116,97,99,107>>, <<47>>, <<46,42>>, <<46,42>>, <<46,42>>, <<"cellwise">>),\nio:format("done~n").\n`,
    ]),
  },
  {
    type: 'rabbitmq-user',
    is: 'the same',
    params: openstack,
    answer: `password ok\n${may('/', '.*')}done\n`,
    found: { password: 'current', tags: [], permissions: { '/': ['.*', '.*', '.*'] } },
    differs: null,
  },
  {
    type: 'rabbitmq-user',
    is: 'with tags and rights that nobody asked for',
    params: { ...openstack, tags: ['b', 'a'] },
    answer: `password refused\ntag c\n${may('/', '.*')}${may('ü', 'x')}done\n`,
    found: { password: 'other', tags: ['c'], permissions: { '/': ['.*', '.*', '.*'], ü: ['x', 'x', 'x'] } },
    differs: ['password', 'tags', 'permissions'],
  },
  {
    type: 'rabbitmq-user',
    is: 'a node that breaks in between',
    params: openstack,
    answer: 'password ok\n',
    found: { unknown: 'RabbitMQ does not answer on this host' },
  },
  {
    type: 'db-sync',
    is: 'as it was recorded',
    params: { service: 'keystone', command: 'm', package: 'python3-keystone' },
    answer: 'same\n',
    found: { synced: true },
    differs: null,
  },
  {
    type: 'db-sync',
    is: 'other programs or tables',
    params: { service: 'keystone', command: 'm s', package: 'python3-keystone', databases: ['a`b'] },
    answer: 'other\n',
    found: { synced: false },
    differs: ['synced'],
    runs: [`runuser -u keystone -- sh -c 'm s'`, 'FROM `a``b`.alembic_version'],
  },
  {
    type: 'db-sync',
    is: 'a database that does not answer',
    params: { service: 'keystone', command: 'm', package: 'python3-keystone' },
    answer: { code: 1, err: 'a\nno database\n' },
    found: { unknown: 'no database' },
  },
  {
    type: 'keystone-bootstrap',
    is: 'absent',
    params: keystone,
    answer: 'null\n',
    found: null,
    differs: ['password', 'enabled', 'granted', 'urls'],
    runs: ['keystone.cmd.manage'],
    leaves: ['pass"'],
    input: Secret.join([
      '{"region":"RegionOne","user":"admin","project":"admin","role":"admin","service":"keystone","urls":{"public":"http://p","internal":"http://i","admin":"http://a"},"password":',
      password.map((plain) => JSON.stringify(plain)),
      '}',
    ]),
  },
  {
    type: 'keystone-bootstrap',
    is: 'the same',
    params: keystone,
    answer:
      '{"password": "current", "enabled": true, "granted": true, "urls": {"admin": "http://a", "internal": "http://i", "public": "http://p"}}\n',
    found: { password: 'current', enabled: true, granted: true, urls: { public: 'http://p', internal: 'http://i', admin: 'http://a' } },
    differs: null,
  },
  {
    type: 'keystone-bootstrap',
    is: 'another URL',
    params: keystone,
    answer: '{"password": "current", "enabled": true, "granted": true, "urls": {"admin": "http://a"}}\n',
    found: { password: 'current', enabled: true, granted: true, urls: { admin: 'http://a' } },
    differs: ['urls'],
  },
  {
    type: 'keystone-bootstrap',
    is: 'no tables',
    params: keystone,
    answer: { code: 1, err: "Keystone's database does not answer: error 1146\n" },
    found: { unknown: "Keystone's database does not answer: error 1146" },
  },
];
