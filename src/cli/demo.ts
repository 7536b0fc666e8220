import { spawnSync } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

// The tour that `npm run demo` gives: the same commands that an operator types, one after the other.
const inventory = 'inventories/lab.yaml';
const key = 'inventories/.cellwise/lab/id_ed25519';
const cellwise = fileURLToPath(new URL('main.ts', import.meta.url));

// The lab's own key lets root in to its machines, and now to the server as well.
const server = `. /root/admin-openrc
openstack server show demo -f value -c status 2>/dev/null && exit
openstack keypair create --public-key /root/.ssh/authorized_keys lab -f value -c fingerprint
openstack server create --image tiny --flavor m1.tiny --network inner --security-group ssh --key-name lab --wait demo -f value -c status
openstack server add floating ip demo "$(openstack floating ip create public -f value -c floating_ip_address)"
openstack server list`;
const address = `. /root/admin-openrc; openstack floating ip list -f value -c 'Floating IP Address' | head -n 1`;

const tour: readonly (readonly [string, readonly string[]])[] = [
  ['Six containers stand in for six bare Debian machines', ['lab', 'up']],
  ['Is the inventory sound? No machine is asked', ['validate']],
  ['What would be done? Every machine is looked at, none is changed', ['plan']],
  ['Make it so', ['apply', '--yes']],
  ['Once more: there is nothing left to change', ['apply', '--yes']],
  ['Is the cloud well, and can it be used? A server starts on every compute host, and is removed', ['verify']],
  ['A server that stays', ['lab', 'ssh', 'ctl1', server]],
];

for (const [what, words] of tour) {
  process.stdout.write(`\n=== ${what}\n$ cellwise ${words.join(' ')} -i ${inventory}\n`);
  const { status } = spawnSync(process.execPath, [cellwise, ...words, '-i', inventory], { stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}

const asked = spawnSync(process.execPath, [cellwise, 'lab', 'ssh', 'ctl1', address, '-i', inventory], { encoding: 'utf8' });
// Nobody has seen its host key, and with the lab it is gone.
const options = ['-i', key, '-o', 'StrictHostKeyChecking=no', '-o', 'UserKnownHostsFile=/dev/null', '-o', 'LogLevel=ERROR'];
const login = [...options, `root@${asked.stdout.trim()}`];
process.stdout.write(`\n=== It has its address by DHCP, its name and key by the metadata service\n$ ssh ${login.join(' ')} ip address\n`);
for (let tries = 60; spawnSync('ssh', [...login, 'hostname; ip -4 address'], { stdio: 'inherit' }).status !== 0; tries -= 1) {
  if (tries === 0) process.exit(1);
  await delay(2000);
}

process.stdout.write(`
=== Keystone is at http://10.77.0.11:5000/v3, the dashboard at http://10.77.0.11/horizon (user admin, domain Default)
The administrator's password:   npm run -s cellwise -- secrets show keystone.admin_password -i ${inventory}
Log in to the server:           ssh ${login.join(' ')}
Log in to the controller:       npm run -s cellwise -- lab ssh ctl1 -i ${inventory}
  and there:                    . /root/admin-openrc && openstack server list
Take the lab away:              npm run -s cellwise -- lab down -i ${inventory}
`);
