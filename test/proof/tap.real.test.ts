// A switch in user space, and an instance that is started again as Nova's soft reboot and resume do: without plugging its
// interface anew.
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { imageAfter, startMachine, type Machine } from '../machines.ts';

const packages = 'openvswitch-switch libvirt-daemon-system libvirt-clients qemu-system-x86 ipxe-qemu';
const hook = readFileSync('roles/libvirt/templates/switch-port.hbs', 'utf8');

// Its firmware asks for an address as long as it runs: packets to count.
const domain = `<domain type='qemu'><name>d</name><memory unit='MiB'>64</memory><vcpu>1</vcpu>
<os><type arch='x86_64' machine='pc'>hvm</type><boot dev='network'/></os>
<devices><interface type='ethernet'><mac address='fa:16:3e:00:00:01'/><model type='virtio'/><target dev='tap1'/></interface></devices>
</domain>`;

let machine: Machine;
beforeAll(async () => {
  machine = await startMachine({
    image: await imageAfter(
      'switch',
      `export DEBIAN_FRONTEND=noninteractive
      apt-get -qq update && apt-get -qq install -y --no-install-recommends ${packages}`,
    ),
  });
  await here(`
    systemctl start openvswitch-switch libvirtd
    ovs-vsctl --may-exist add-br br-int -- set bridge br-int datapath_type=netdev
    ip link set br-int up
    echo "${domain}" >/tmp/d.xml
    virsh -q define /tmp/d.xml
    ovs-vsctl --no-wait add-port br-int tap1 tag=7 -- set interface tap1 external-ids:iface-id=port-of-neutron`);
}, 600_000);
afterAll(() => machine.stop());

async function here(script: string): Promise<string> {
  const { code, out, err } = await machine.exec(script);
  if (code !== 0) throw new Error(`${script}: ${out}${err}`);
  return out.trim();
}

/** Whether the switch hears of the instance within 20 seconds, having forgotten all that it heard before. */
async function talks(): Promise<boolean> {
  await here('ovs-appctl revalidator/purge; ovs-appctl fdb/flush br-int');
  for (let i = 0; i < 40; i++) {
    await delay(500);
    if ((await here('ovs-appctl fdb/show br-int')).includes('fa:16:3e:00:00:01')) return true;
  }
  return false;
}

async function install(): Promise<void> {
  await here(`mkdir -p /etc/libvirt/hooks/qemu.d; cat >/etc/libvirt/hooks/qemu.d/switch-port <<'END'\n${hook}END
    chmod 755 /etc/libvirt/hooks/qemu.d/switch-port; systemctl restart libvirtd`);
}

const softReboot = 'virsh -q destroy d; virsh -q start d';
const resume = 'virsh -q managedsave d; virsh -q start d';

test('the network survives, and what is written to the port stays', async () => {
  await here('virsh -q start d');
  expect(await talks()).toBe(true);
  await here(softReboot);
  // The fault itself; when it is gone, so may be the hook.
  expect(await talks()).toBe(false);
  await install();
  for (const script of [softReboot, softReboot, resume]) {
    await here(script);
    expect(await talks(), script).toBe(true);
  }
  const written = await here('ovs-vsctl get port tap1 tag; ovs-vsctl get interface tap1 type external-ids:iface-id error');
  expect(written.split('\n')).toEqual(['7', '""', 'port-of-neutron', '[]']);
});
