import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

// The tour that `npm run demo` gives: the same commands that an operator types, one after the other.
const inventory = 'inventories/lab.yaml';
const cellwise = fileURLToPath(new URL('main.ts', import.meta.url));

const tour: readonly (readonly [string, readonly string[]])[] = [
  ['Six containers stand in for six bare Debian machines', ['lab', 'up']],
  ['Is the inventory sound? No machine is asked', ['validate']],
  ['What would be done? Every machine is looked at, none is changed', ['plan']],
  ['Make it so', ['apply', '--yes']],
  ['Once more: there is nothing left to change', ['apply', '--yes']],
  ['Is the cloud well?', ['verify']],
];

for (const [what, words] of tour) {
  process.stdout.write(`\n=== ${what}\n$ cellwise ${words.join(' ')} -i ${inventory}\n`);
  const { status } = spawnSync(process.execPath, [cellwise, ...words, '-i', inventory], { stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}

process.stdout.write(`
=== Keystone is at http://10.77.0.11:5000/v3, the dashboard at http://10.77.0.11/horizon (user admin, domain Default)
The administrator's password:   npm run -s cellwise -- secrets show keystone.admin_password -i ${inventory}
Log in where it runs:           npm run -s cellwise -- lab ssh ctl1 -i ${inventory}
  and there:                    . /root/admin-openrc && openstack catalog list
Take the lab away:              npm run -s cellwise -- lab down -i ${inventory}
`);
