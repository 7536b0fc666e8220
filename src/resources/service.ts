import { type Command, raw, sh, withTimeout } from '../base/command.ts';
import type { State } from '../base/state.ts';
import { defineResource, type Found } from './define.ts';
import { putRecord } from './put.ts';

const records = '/var/lib/cellwise/units';

/**
 * A systemd unit. That it has to be restarted is a difference like any other: its state holds the digest of all that it
 * watches as it was when it last came up well, recorded on the host.
 */
export const service = defineResource({
  type: 'service',
  summary: 'A systemd unit: enabled, started, and restarted when something that it watches differs from what it was started with.',
  nameParam: 'unit',
  params: {
    type: 'object',
    required: ['unit'],
    additionalProperties: false,
    properties: {
      unit: { type: 'string', pattern: '^[A-Za-z0-9][A-Za-z0-9:_.@\\\\-]*$', description: 'Name of the unit; `.service` may be left out.' },
      enabled: { type: 'boolean', default: true, description: 'Starts at boot.' },
      state: { type: 'string', enum: ['started', 'stopped'], default: 'started', description: 'Whether it runs now.' },
      watches: {
        type: 'array',
        items: { type: 'string' },
        default: [],
        description: 'Paths, packages and other resources of this host; when one of them changes, the unit is restarted.',
      },
      reload: { type: 'boolean', default: false, description: 'Reload instead of restart when something watched changes.' },
      digest: { type: 'string', pattern: '^[0-9a-f]+$', description: 'Set by Cellwise: a digest of all that is watched.' },
    },
  },
  desired: (p): State => ({
    enabled: p.enabled,
    state: p.state,
    ...(p.state === 'started' && p.digest !== undefined ? { loaded: p.digest } : {}),
  }),
  probeAll: (all) => sh`
set -- ${all.map((p) => full(p.unit))}
systemctl show -p LoadState,UnitFileState,ActiveState -- "$@" || exit
printf '\\0'
for unit in "$@"; do
  record=
  [ ! -e ${records}/"$unit" ] || read -r record <${records}/"$unit"
  printf %s "$record"
  # systemd makes a unit of every SysV script, enabled or not: what counts are the links of its run levels.
  set -- /etc/rc[2345].d/S[0-9][0-9]"\${unit%.service}"
  [ ! -e "$1" ] || printf ' sysv'
  printf '\\0'
done`,
  parseAll: (output, all) => {
    if (output.code !== 0) return all.map(() => ({ unknown: `systemctl says: ${output.err.toString().trim()}` }));
    const [shown = '', ...marks] = output.out.toString().split('\0');
    const units = shown.split('\n\n').map((unit) => new Map(unit.split('\n').map((line) => split(line, '='))));
    return all.map((p, i): Found => {
      const [loaded, sysv] = split(marks[i] ?? '', ' ');
      const unit = units[i] ?? new Map<string, string>();
      // What is not installed does not run.
      if (unit.get('LoadState') === 'not-found') return p.enabled || p.state === 'started' ? null : { enabled: false, state: 'stopped' };
      if (unit.get('LoadState') === 'masked') return { enabled: p.enabled ? 'masked' : false, state: activity(unit) };
      return {
        enabled: isEnabled(unit.get('UnitFileState') ?? '', sysv === 'sysv', p.enabled),
        state: activity(unit),
        loaded: loaded || null,
      };
    });
  },
  apply: (p, change) => {
    const differs = new Set(change.differences.map((difference) => difference.key));
    const act = p.state === 'stopped' ? stop : start(p.digest, p.reload && change.before?.['state'] === 'started');
    return withTimeout(
      sh`
unit=${full(p.unit)}
fail() {
  printf '%s\\n' "$1" >&2
  journalctl --no-pager -q -n 20 -o cat -u "$unit" >&2
  exit 1
}
property() { systemctl show --value -p "$1" -- "$unit"; }
[ "$(property NeedDaemonReload)" = no ] || systemctl daemon-reload
case $(property LoadState) in
masked) echo "$unit is masked: somebody ruled out that it runs; 'systemctl unmask $unit' on the host allows it again" >&2; exit 1 ;;
not-found) echo "There is no unit $unit on this host: is its package installed?" >&2; exit 1 ;;
esac
${differs.has('enabled') ? sh`systemctl ${p.enabled ? 'enable' : 'disable'} -q -- "$unit" || exit` : raw(':')}
${differs.has('state') || differs.has('loaded') ? act : raw(':')}`,
      600,
    );
  },
});

/**
 * Removes the record of what a unit was started with. Run before anything that the unit watches is changed, so that a
 * run that dies in between leaves the restart owed.
 */
export function forget(unit: string): Command {
  return sh`rm -f -- ${`${records}/${full(unit)}`} && { [ ! -d ${records} ] || sync -- ${records}; }`;
}

const stop = sh`
rm -f -- ${records}/"$unit"
systemctl stop -- "$unit" || fail "$unit does not stop"
systemctl reset-failed -- "$unit" 2>/dev/null
exit 0`;

// A unit of Type=simple counts as active as soon as its process is forked: it has to be there one second later, and be
// the same process, for a crash at start to be seen. Only a unit that stays up is recorded.
function start(digest: string | undefined, reload: boolean): Command {
  const record = digest === undefined ? raw(':') : putRecord(records, raw('"$unit"'), digest);
  return sh`
systemctl reset-failed -- "$unit" 2>/dev/null
# A socket cannot be opened under a service that runs without it.
case $unit in *.socket) systemctl stop -- $(property Triggers) || fail "$unit cannot be opened: what it belongs to does not stop" ;; esac
systemctl ${reload ? 'reload-or-restart' : 'restart'} -- "$unit" || fail "$unit does not ${reload ? 'reload' : 'start'}"
tries=0
while case $(property ActiveState) in activating | reloading | refreshing) [ $tries -lt 300 ] ;; *) false ;; esac; do
  tries=$((tries + 1))
  sleep 0.5
done
case $(property Type) in
simple | exec | idle | forking)
  main=$(property MainPID)
  sleep 1
  [ "$(property MainPID)" = "$main" ] || fail "$unit ended within a second after its start"
  ;;
esac
[ "$(property ActiveState)" = active ] || fail "$unit is not active after its start, but $(property ActiveState)"
${record}`;
}

function full(unit: string): string {
  return /\.(service|socket|timer|target|path|mount|automount|swap|slice|scope|device)$/.test(unit) ? unit : `${unit}.service`;
}

/** As `systemctl is-enabled` sees it; what has nothing to enable (static units) counts as it is wanted. */
function isEnabled(file: string, sysv: boolean, wanted: boolean): boolean {
  if (file === 'generated') return sysv;
  if (['static', 'indirect', 'alias', 'transient', ''].includes(file)) return wanted;
  return file === 'enabled' || file === 'linked';
}

function activity(unit: ReadonlyMap<string, string>): string {
  const active = unit.get('ActiveState') ?? '';
  if (['active', 'reloading', 'refreshing'].includes(active)) return 'started';
  return active === 'inactive' || active === 'failed' ? 'stopped' : active;
}

function split(line: string, at: string): [string, string] {
  const i = line.indexOf(at);
  return i < 0 ? [line, ''] : [line.slice(0, i), line.slice(i + 1)];
}
