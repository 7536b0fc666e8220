import { raw, sh } from '../base/command.ts';
import { defineResource, type Found } from './define.ts';

/**
 * What Open vSwitch must be told for the data path that a host has. In user space it hands on the unfinished checksums of
 * machines only if it is told to: without that, DHCP and ping work and every TCP connection hangs.
 */
export const ovsDatapath = defineResource({
  type: 'ovs-datapath',
  summary: 'Open vSwitch is set for the data path of the host. It heeds the setting from its next start on.',
  nameParam: 'datapath',
  identity: () => 'Open vSwitch',
  params: {
    type: 'object',
    required: ['datapath'],
    additionalProperties: false,
    properties: {
      datapath: {
        type: 'string',
        enum: ['auto', 'system', 'netdev'],
        description:
          'Who moves packets: the kernel (system) or Open vSwitch itself (netdev); auto: the kernel where it has the module for it.',
      },
    },
  },
  desired: (p) => ({ set_for: p.datapath }),
  probe: () => sh`
command -v ovs-vsctl >/dev/null || { echo 'Open vSwitch is not installed on this host' >&2; exit 127; }
offload=$(ovs-vsctl --timeout=10 --if-exists get Open_vSwitch . other_config:userspace-tso-enable) || exit
${askKernel}
echo $fitting
printf '%s\\n' "$offload"`,
  parse: (output, p): Found => {
    if (output.code !== 0) return { unknown: output.err.toString().trim() || 'Open vSwitch does not answer' };
    const [fitting, offload] = output.out.toString().split('\n');
    const set = offload === '"true"' ? 'netdev' : 'system';
    return { set_for: p.datapath === 'auto' && set === fitting ? 'auto' : set };
  },
  apply: (p) => sh`
datapath=${p.datapath}
${askKernel}
[ $datapath != auto ] || datapath=$fitting
if [ $datapath = netdev ]; then
  ovs-vsctl --no-wait set Open_vSwitch . other_config:userspace-tso-enable=true
else
  ovs-vsctl --no-wait remove Open_vSwitch . other_config userspace-tso-enable
fi`,
});

// The module is there, or can be loaded.
const askKernel = raw(
  'if [ -d /sys/module/openvswitch ] || modprobe -n -q openvswitch 2>/dev/null; then fitting=system; else fitting=netdev; fi',
);
