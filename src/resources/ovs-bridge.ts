import { raw, sh } from '../base/command.ts';
import { defineResource, type Found } from './define.ts';

/** A bridge of Open vSwitch. Ports that others put on it (machines, agents) are theirs and stay. */
export const ovsBridge = defineResource({
  type: 'ovs-bridge',
  summary: 'A bridge of Open vSwitch that has at least these interfaces on it, which are up.',
  nameParam: 'bridge',
  params: {
    type: 'object',
    required: ['bridge'],
    additionalProperties: false,
    properties: {
      bridge: { type: 'string', pattern: '^[A-Za-z0-9][A-Za-z0-9_.-]{0,14}$', description: 'Its name.' },
      interfaces: {
        type: 'array',
        items: { type: 'string', pattern: '^[A-Za-z0-9][A-Za-z0-9_.-]{0,14}$' },
        default: [],
        description:
          'Interfaces of the host that are ports of it. That they come up at boot is for the configuration of its network to say.',
      },
      datapath: {
        type: 'string',
        enum: ['auto', 'system', 'netdev'],
        default: 'auto',
        description:
          'Who moves packets: the kernel (system) or Open vSwitch itself (netdev); auto: the kernel where it has the module for it.',
      },
    },
  },
  desired: (p) => ({ datapath: p.datapath, missing: [], down: [] }),
  // Without the module, bridges of type system have no data path at all.
  probeAll: (all) => sh`
command -v ovs-vsctl >/dev/null || { echo 'Open vSwitch is not installed on this host' >&2; exit 127; }
${askKernel}
printf '%s\\0' $fitting
for bridge in ${all.map((p) => p.bridge)}; do
  ovs-vsctl --timeout=10 br-exists "$bridge"
  case $? in
  0) ovs-vsctl --timeout=10 get bridge "$bridge" datapath_type || exit ;;
  2) ;;
  *) exit 1 ;;
  esac
  printf '\\0'
  for port in $(ovs-vsctl --timeout=10 list-ports "$bridge" 2>/dev/null); do
    printf '%s %s\\n' "$port" "$(cat "/sys/class/net/$port/flags" 2>/dev/null)"
  done
  printf '\\0'
done`,
  parseAll: (output, all) => {
    if (output.code !== 0) return all.map(() => ({ unknown: output.err.toString().trim() || 'Open vSwitch does not answer' }));
    const [fitting = '', ...parts] = output.out.toString().split('\0');
    return all.map((p, i): Found => {
      const [datapath = '', list = ''] = parts.slice(2 * i).map((part) => part.trim());
      if (datapath === '') return null;
      const ports = new Map(list.split('\n').map((line) => line.split(' ') as [string, string]));
      const type = datapath === 'netdev' ? 'netdev' : 'system';
      return {
        datapath: p.datapath === 'auto' && type === fitting ? 'auto' : type,
        missing: p.interfaces.filter((name) => !ports.has(name)),
        down: p.interfaces.filter((name) => ports.has(name) && (Number(ports.get(name)) & 1) === 0),
      };
    });
  },
  apply: (p) => sh`
for port in ${p.interfaces}; do
  [ -e "/sys/class/net/$port" ] || { printf 'There is no interface %s on this host\\n' "$port" >&2; exit 1; }
done
bridge=${p.bridge} datapath=${p.datapath}
${askKernel}
[ $datapath != auto ] || datapath=$fitting
ovs-vsctl --timeout=30 --may-exist add-br "$bridge" -- set bridge "$bridge" datapath_type=$datapath || exit
for port in ${p.interfaces}; do
  ovs-vsctl --timeout=30 --may-exist add-port "$bridge" "$port" && ip link set "$port" up || exit
done`,
});

// The module is there, or can be loaded.
const askKernel = raw(
  'if [ -d /sys/module/openvswitch ] || modprobe -n -q openvswitch 2>/dev/null; then fitting=system; else fitting=netdev; fi',
);
