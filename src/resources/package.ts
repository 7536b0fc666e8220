import { type Command, raw, sh, withInput, withTimeout } from '../base/command.ts';
import { text, type Text } from '../base/secret.ts';
import type { State } from '../base/state.ts';
import { defineResource, type Found } from './define.ts';
import { putFile } from './put.ts';

const policy = '/usr/sbin/policy-rc.d';
const marker = '# Written by Cellwise for the time of one apt transaction.';
const whole = 'dpkg database';
const free = 'service starts';
/** What dpkg calls a package with which it is through. */
const settled = new Set(['installed', 'config-files', 'not-installed']);

/**
 * Debian packages. All of a host are one apt transaction: merged params name each package with its version (`name=version`)
 * or suite (`name/suite`) as apt itself writes it, and list those to hold.
 */
export const packages = defineResource({
  type: 'package',
  summary: 'Packages that are installed. All packages of a host are one apt transaction, in which no service is started.',
  nameParam: 'names',
  phase: 'packages',
  params: {
    type: 'object',
    required: ['names'],
    additionalProperties: false,
    properties: {
      names: {
        anyOf: [
          { type: 'string', pattern: '^[a-z0-9][a-z0-9.+:-]*([=/][A-Za-z0-9.+:~*-]+)?$' },
          { type: 'array', minItems: 1, items: { type: 'string', pattern: '^[a-z0-9][a-z0-9.+:-]*([=/][A-Za-z0-9.+:~*-]+)?$' } },
        ],
        description: 'One name or a list; `name=version` asks for a version, `name/suite` installs from another suite.',
      },
      version: {
        type: 'string',
        pattern: '^[A-Za-z0-9.+:~-]+\\*?$',
        description:
          'The version of all of them, or its beginning and `*`. Only where a version is asked for a package may be downgraded. Where only a suite of low priority has it, what it needs comes from there, too.',
      },
      release: {
        type: 'string',
        pattern: '^[A-Za-z0-9.-]+$',
        description: 'Suite to install from what is not there yet, e.g. trixie-backports.',
      },
      hold: {
        anyOf: [{ type: 'boolean' }, { type: 'array', items: { type: 'string' } }],
        description: 'Keep apt from upgrading them: true for all, or the names.',
      },
      preseed: {
        type: 'array',
        items: { type: 'string', format: 'text' },
        description:
          'Answers to questions of debconf, as `package question type value`. Used when packages are installed, not looked at later.',
      },
      units: {
        type: 'array',
        items: { type: 'string' },
        description: 'Set by Cellwise: units that roles keep. Installing never starts, stops or restarts them.',
      },
    },
  },
  identity: (p) => words(p).map(nameOf).join(' '),
  merge: (all) => {
    const names = unique(all.flatMap(words));
    const hold = unique(all.flatMap(held));
    const preseed = unique(all.flatMap((p) => p.preseed ?? []));
    const units = unique(all.flatMap((p) => p.units ?? []));
    // The same package with and without a version: the one with it says all.
    return {
      names: names.filter((word) => word !== nameOf(word) || !names.some((other) => other !== word && nameOf(other) === word)),
      hold,
      preseed,
      units,
    };
  },
  desired: (p): State => {
    const hold = new Set(held(p));
    return {
      [whole]: 'whole',
      [free]: 'free',
      ...Object.fromEntries(
        words(p).map((word) => [nameOf(word), (versionOf(word) ?? 'installed') + (hold.has(nameOf(word)) ? ', held' : '')] as const),
      ),
    };
  },
  // The one question answers for all: apt-mark alone takes longer than everything else that a host is asked.
  probe: (p) => sh`
command -v dpkg-query >/dev/null || exit 127
dpkg-query -W -f '\${Package} \${binary:Package} \${db:Status-Want} \${db:Status-Eflag} \${db:Status-Status} \${Version}\n' 2>/dev/null |
  awk -v names=${` ${words(p).map(nameOf).join(' ')} `} '
    index(names, " " $1 " ") || index(names, " " $2 " ") || $4 != "ok" || $5 !~ /^(installed|config-files|not-installed)$/'
echo
for update in /var/lib/dpkg/updates/*; do [ ! -e "$update" ] || { echo interrupted; break; }; done
[ -e ${policy} ] && grep -qFx ${marker} ${policy} && echo ours
exit 0`,
  parse: (output, p): Found => {
    if (output.code !== 0) return { unknown: 'there is no dpkg on this host' };
    const [rows = '', leftover = ''] = `\n${output.out.toString()}`.split('\n\n');
    const installed = new Map<string, string>();
    const holding = new Set<string>();
    let broken = leftover.includes('interrupted');
    for (const row of rows.trim().split('\n')) {
      const [name = '', qualified = '', want = '', error = 'ok', status = 'installed', version = ''] = row.split(' ');
      if (status === 'installed') installed.set(name, version).set(qualified, version);
      if (want === 'hold') holding.add(name).add(qualified);
      broken ||= error !== 'ok' || !settled.has(status);
    }
    const wantsHold = new Set(held(p));
    return {
      [whole]: broken ? 'interrupted' : 'whole',
      [free]: leftover.includes('ours') ? 'held back by a run that was cut off' : 'free',
      ...Object.fromEntries(
        words(p).flatMap((word) => {
          const name = nameOf(word);
          const version = installed.get(name);
          if (version === undefined) return [];
          const wanted = versionOf(word);
          const is = wanted === undefined ? 'installed' : matches(version, wanted) ? wanted : version;
          return [[name, is + (wantsHold.has(name) && holding.has(name) ? ', held' : '')] as const];
        }),
      ),
    };
  },
  apply: (p, change) => {
    const differs = new Set(change.differences.map((difference) => difference.key));
    const is = (word: string) => (change.before?.[nameOf(word)] as string | undefined)?.replace(/, held$/, '');
    const missing = words(p).filter((word) => differs.has(nameOf(word)) && is(word) !== (versionOf(word) ?? 'installed'));
    const hold = held(p).filter((name) => differs.has(name));
    const script = sh`
${prepare(p.units ?? [])}
${missing.length > 0 ? install(missing) : raw(':')}
${hold.length > 0 ? sh`apt-mark hold -- ${hold} >/dev/null || exit` : raw(':')}`;
    const preseed = missing.length > 0 ? (p.preseed ?? []).flatMap((line): Text[] => [line, '\n']) : [];
    return withTimeout(
      withInput(
        script,
        preseed.reduce<Text>((all, part) => text`${all}${part}`, ''),
      ),
      // Hours, on a slow disk or mirror: to end it halfway is worse than to wait.
      7200,
    );
  },
});

// Waits for whoever holds one of apt's locks and says so. apt itself waits for one of them only, dpkg and debconf for
// none. Then finishes what was interrupted. Until the script ends, services are started only as the policy allows.
function prepare(units: readonly string[]): Command {
  return sh`
export LC_ALL=C DEBIAN_FRONTEND=noninteractive APT_LISTCHANGES_FRONTEND=none NEEDRESTART_MODE=l
holder() {
  for lock in /var/lib/dpkg/lock-frontend /var/lib/dpkg/lock /var/lib/apt/lists/lock /var/cache/apt/archives/lock /var/cache/debconf/config.dat; do
    inode=$(stat -c %i -- "$lock" 2>/dev/null) || continue
    pid=$(awk -v inode="$inode" '$2 == "POSIX" && $6 ~ ":" inode "$" { print $5; exit }' /proc/locks)
    [ -z "$pid" ] || return 0
  done
  return 1
}
wait_for_locks() {
  waited=0
  while holder; do
    [ $((waited % 30)) -ne 0 ] || echo "waiting for process $pid ($(cat "/proc/$pid/comm" 2>/dev/null)), which holds $lock" >&2
    [ $waited -lt 1200 ] || { echo "$lock is still held after 20 minutes" >&2; exit 1; }
    sleep 2
    waited=$((waited + 2))
  done
}
allow_services() {
  grep -sqFx ${marker} ${policy} && rm -f ${policy}
  [ ! -e ${policy}.cellwise-kept ] || mv -fT ${policy}.cellwise-kept ${policy}
  rm -f /run/cellwise-active-units
}
wait_for_locks
allow_services
trap allow_services EXIT
trap 'exit 143' INT TERM HUP
systemctl list-units --state=active,reloading,activating --plain --no-legend 2>/dev/null | cut -d' ' -f1 >/run/cellwise-active-units
[ ! -e ${policy} ] || mv -fT ${policy} ${policy}.cellwise-kept
${putFile({ path: policy, owner: 'root:root', mode: '0755', content: sh`printf '%s\\n' ${rulesFor(units)}` })} || exit
if [ -n "$(dpkg --audit)" ] || [ -n "$(ls -A /var/lib/dpkg/updates)" ]; then
  echo 'dpkg was interrupted: finishing what it had begun' >&2
  dpkg --force-confdef --force-confold --configure -a </dev/null || exit
fi`;
}

function rulesFor(units: readonly string[]): string[] {
  return ['#!/bin/sh', marker, `held=' ${units.map((unit) => unit.replace(/\.service$/, '')).join(' ')} '`, ...policyRules];
}

// What ran before the transaction goes on as its package likes, e.g. sshd is restarted by its upgrade. What a role keeps
// is the role's to start and restart, and anything new waits until it is configured, or until the next boot.
const policyRules = [
  'while case $1 in --*) true ;; *) false ;; esac; do shift; done',
  'unit=${1%.service}',
  'case $held in *" $unit "*) exit 101 ;; esac',
  'case $unit in *.*) ;; *) unit=$unit.service ;; esac',
  'grep -sqFx -e "$unit" -e "$(systemctl show --value -p Id -- "$unit" 2>/dev/null)" /run/cellwise-active-units && exit 0',
  'exit 101',
];

function install(wanted: readonly string[]): Command {
  const downgrade = wanted.some((word) => versionOf(word) !== undefined) ? ['--allow-downgrades', '--allow-change-held-packages'] : [];
  return sh`
set -- ${wanted}
preseed=$(mktemp)
trap 'rm -f -- "$preseed"; allow_services' EXIT
cat >"$preseed"
[ ! -s "$preseed" ] || debconf-set-selections "$preseed" || exit
for try in 1 2 3; do
  wait_for_locks
  apt-get update -q && break
  [ $try -lt 3 ] || { echo 'apt-get update failed three times' >&2; exit 1; }
  sleep $((try * 5))
done
bad=
for word in "$@"; do
  name=\${word%%[=/]*}
  case $(apt-cache policy -- "$name" | sed -n 's/^  Candidate: //p') in
  '') bad=1; echo "There is no package $name in the sources of this host" >&2 ;;
  '(none)')
    bad=1
    echo "$name cannot be installed itself. These packages provide it: $(apt-cache showpkg -- "$name" | sed -n '/^Reverse Provides/,$ { s/^\\([^ ]*\\) .* (= .*/\\1/p }' | sort -u | tr '\n' ' ')" >&2
    ;;
  esac
done
[ -z "$bad" ] || exit 1
suite=
for word in "$@"; do
  case $word in *=*) ;; *) continue ;; esac
  [ -z "$suite" ] || break
  name=\${word%%=*} wanted=\${word#*=}
  # apt takes what a package needs from the suite that it prefers, and fails where that one is too old for it.
  case $(apt-cache policy -- "$name" | sed -n 's/^  Candidate: //p') in $wanted) continue ;; esac
  suite=$(apt-cache madison -- "$name" | while IFS=' |' read -r _ version _ part _; do
    case $version in $wanted) printf %s "\${part%%/*}"; break ;; esac
  done)
done
install() {
  [ $# -gt 0 ] || return 0
  wait_for_locks
  apt-get install -q -y --no-install-recommends ${downgrade} -o DPkg::Lock::Timeout=1200 -o Dpkg::Use-Pty=0 \
    -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold "$@" </dev/null || exit
}
if [ -z "$suite" ]; then
  install -- "$@"
else
  # What is asked for without a version stays on the host's own suite. apt would rather take away what is of another
  # version and belongs to the same program than bring it along, where somebody has not asked for it.
  set -f
  plain= versioned=
  for word in "$@"; do
    case $word in *=*) versioned="$versioned $word" ;; *) plain="$plain $word" ;; esac
  done
  install $plain
  install --no-remove -t "$suite" $versioned
fi`;
}

interface Names {
  readonly names: string | readonly string[];
  readonly version?: string;
  readonly release?: string;
  readonly hold?: boolean | readonly string[];
}

/** Every package as apt-get takes it: name, name=version or name/suite. */
function words(p: Names): string[] {
  const suffix = p.version !== undefined ? `=${p.version}` : p.release !== undefined ? `/${p.release}` : '';
  return unique((typeof p.names === 'string' ? [p.names] : p.names).map((name) => (/[=/]/.test(name) ? name : name + suffix)));
}

function nameOf(word: string): string {
  return word.replace(/[=/].*$/, '');
}

function versionOf(word: string): string | undefined {
  return word.includes('=') ? word.slice(word.indexOf('=') + 1) : undefined;
}

function held(p: Names): string[] {
  if (p.hold === true) return words(p).map(nameOf);
  return Array.isArray(p.hold) ? [...(p.hold as readonly string[])] : [];
}

function matches(version: string, wanted: string): boolean {
  return wanted.endsWith('*') ? version.startsWith(wanted.slice(0, -1)) : version === wanted;
}

function unique<T>(values: readonly T[]): T[] {
  return [...new Set(values)];
}
