// The 60 steps of the benchmark, said once: as a role, as a playbook, and as what a hand-written script would ask.

/** A host of the benchmark, as far as contents depend on it. */
export interface Names {
  readonly name: string;
  readonly address: string;
}

export interface BenchStep {
  /** In role.yaml. */
  readonly cellwise: Readonly<Record<string, unknown>>;
  /** In the playbook: one module and its arguments. */
  readonly ansible: Readonly<Record<string, unknown>>;
  /** Shell that spoils it; left out: the changing run leaves it as it is. */
  readonly spoil?: string;
}

/** The cloud's name, and with it that of the lab. */
export const cloud = 'bench';
const top = '/srv/bench';

const directories = count(10).map((i) => ({ path: `${top}/dir${i}`, mode: i % 2 === 0 ? '0755' : '0750' }));
const files = count(20).map((i) => ({ source: `file${i}.conf`, path: `${top}/dir${i % 10}/file${i}.conf`, template: i < 8 }));
const links = count(5).map((i) => ({ path: `${top}/link${i}`, target: files[i]!.path }));
// A file each: two settings of one file in one role are refused as one resource with two owners.
const settings = count(10).map((i) => ({ file: `${top}/app${i}.ini`, section: 'main', key: `key_${i}`, value: `value ${i}` }));
// Those that a network namespace has of its own, so that a container may set them.
const sysctls = [
  { key: 'net.ipv4.ip_nonlocal_bind', value: '1' },
  { key: 'net.ipv4.tcp_keepalive_time', value: '600' },
  { key: 'net.ipv4.tcp_fin_timeout', value: '30' },
  { key: 'net.ipv4.conf.all.rp_filter', value: '2' },
  { key: 'net.ipv4.conf.default.rp_filter', value: '2' },
].map((each) => ({ ...each, file: `/etc/sysctl.d/60-cellwise-${each.key}.conf`, source: `${each.key}.sysctl` }));
const groups = count(3).map((i) => ({ name: `bench-g${i}`, gid: 4200 + i }));
const users = count(3).map((i) => ({
  name: `bench-u${i}`,
  uid: 4300 + i,
  group: `bench-g${i}`,
  home: '/nonexistent',
  shell: '/usr/sbin/nologin',
}));
const units = [
  { unit: 'ssh', file: 'enabled' },
  { unit: 'dbus', file: 'static' },
  { unit: 'systemd-logind', file: 'static' },
];
const packages = ['openssh-server', 'sudo'];

/** All steps, in the order in which they are done. */
export const steps: readonly BenchStep[] = [
  { cellwise: { package: packages }, ansible: { apt: { name: packages, state: 'present' } } },
  ...groups.map(({ name, gid }) => ({ cellwise: { group: name, gid }, ansible: { group: { name, gid } } })),
  ...users.map(({ name, ...rest }) => ({
    cellwise: { user: name, ...rest, system: true },
    ansible: { user: { name, ...rest, system: true, create_home: false } },
  })),
  ...directories.map(({ path, mode }, i) => ({
    cellwise: { directory: path, mode },
    ansible: { file: { path, state: 'directory', owner: 'root', group: 'root', mode } },
    ...(i < 6 ? { spoil: `chmod 0700 ${path}` } : {}),
  })),
  ...files.map((each, i) => fileStep(each, i)),
  ...links.map(({ path, target }) => ({
    cellwise: { symlink: path, target },
    ansible: { file: { path, src: target, state: 'link' } },
    spoil: `ln -sfn /nowhere ${path}`,
  })),
  ...settings.map(({ file, section, key, value }) => ({
    cellwise: { 'ini-setting': file, section, key, value },
    // ini_file is not part of ansible-core; lineinfile asks less.
    ansible: { lineinfile: { path: file, regexp: `^${key}\\s*=`, line: `${key} = ${value}` } },
    spoil: `sed -i 's/^${key} = .*/${key} = spoiled/' ${file}`,
  })),
  ...sysctls.map(({ key, value, file, source }) => ({
    // Cellwise asks for the live value as well.
    cellwise: { sysctl: key, value },
    ansible: { copy: { src: source, dest: file } },
    spoil: `echo '${key} = spoiled' >${file}`,
  })),
  ...units.map(({ unit }) => ({
    cellwise: { service: unit },
    ansible: { systemd_service: { name: unit, enabled: true, state: 'started' } },
  })),
];

/** How many of them `spoilScript` spoils. */
export const spoilt = steps.filter(({ spoil }) => spoil !== undefined).length;

function fileStep({ path, source, template }: (typeof files)[number], i: number): BenchStep {
  const access = { owner: 'root', group: 'root', mode: '0644' };
  return {
    cellwise: { file: path, mode: '0644', ...(template ? { template: `${source}.hbs` } : { content: content(i) }) },
    ansible: template ? { template: { src: `${source}.j2`, dest: path, ...access } } : { copy: { src: source, dest: path, ...access } },
    spoil: `echo spoilt >>${path}`,
  };
}

/** About a kilobyte, as configuration files go; of a template it is told whose it is. */
function content(i: number, host?: Names): string {
  const options = count(40).map((option) => `option_${option} = ${'value '.repeat(1 + ((i + option) % 5))}${i}`);
  const own = host ? [`name = ${host.name}`, `listen = ${host.address}`] : [];
  return [`# File ${i} of the benchmark.`, ...own, ...options, ''].join('\n');
}

/** The templates, by name of their source: the same text with the marks of either language. */
export function templates(host: Names): ReadonlyMap<string, string> {
  return new Map(files.flatMap(({ source, template }, i) => (template ? [[source, content(i, host)]] : [])));
}

/** What the playbook copies, by name. */
export function copies(): ReadonlyMap<string, string> {
  const plain = files.flatMap(({ source, template }, i): [string, string][] => (template ? [] : [[source, content(i)]]));
  return new Map([...plain, ...sysctls.map(({ source, key, value }): [string, string] => [source, `${key} = ${value}\n`])]);
}

/** Makes what the steps stand on: a directory, and files to set settings in. */
export const groundScript = [`mkdir -p ${top}`, ...settings.map(({ file, key }) => `cat >${file} <<'END'\n${ini(key)}END`)].join('\n');

function ini(key: string): string {
  const filler = (section: string): string => [`[${section}]`, ...count(40).map((i) => `${section}_${i} = something`)].join('\n');
  return `${filler('first')}\n\n[main]\n${key} = not yet\n\n${filler('last')}\n`;
}

/** Spoils what the changing run has to mend. */
export const spoilScript = ['set -e', ...steps.flatMap(({ spoil }) => spoil ?? [])].join('\n');

/** What somebody would write who knows all steps and wants one answer: like with like, no process more than needed. */
export const floorScript = `export LC_ALL=C
stat --printf '%n %F %U:%G %a\\n' ${[...files, ...directories].map(({ path }) => path).join(' ')}
sha256sum ${files.map(({ path }) => path).join(' ')}
readlink ${links.map(({ path }) => path).join(' ')}
grep -hE '^(${settings.map(({ key }) => key).join('|')}) *=' ${settings.map(({ file }) => file).join(' ')}
cat ${sysctls.map(({ file, key }) => `${file} /proc/sys/${key.replaceAll('.', '/')}`).join(' ')}
getent group ${groups.map(({ name }) => name).join(' ')}
getent passwd ${users.map(({ name }) => name).join(' ')}
systemctl show -p ActiveState,UnitFileState ${units.map(({ unit }) => unit).join(' ')}
dpkg-query -W -f '\${Package} \${db:Status-Status}\\n' ${packages.join(' ')}`;

/** What a host on which all is well answers to that; `digest` is sha256 in hex. */
export function floorAnswer(host: Names, digest: (text: string) => string): string {
  const lines = [
    ...files.map(({ path }) => `${path} regular file root:root 644`),
    ...directories.map(({ path, mode }) => `${path} directory root:root ${mode.slice(1)}`),
    ...files.map(({ path, template }, i) => `${digest(content(i, template ? host : undefined))}  ${path}`),
    ...links.map(({ target }) => target),
    ...settings.map(({ key, value }) => `${key} = ${value}`),
    ...sysctls.flatMap(({ key, value }) => [`${key} = ${value}`, value]),
    ...groups.map(({ name, gid }) => `${name}:x:${gid}:`),
    ...users.map(({ name, uid, home, shell }, i) => `${name}:x:${uid}:${groups[i]!.gid}::${home}:${shell}`),
    units.map(({ file }) => `ActiveState=active\nUnitFileState=${file}`).join('\n\n'),
    ...packages.map((name) => `${name} installed`),
  ];
  return `${lines.join('\n')}\n`;
}

function count(n: number): number[] {
  return Array.from({ length: n }, (_, i) => i);
}
