import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { docker } from '../../src/lab/docker.ts';
import { TestCloud } from '../cli/test-cloud.ts';

// What happens to a run that is cut off, or whose hosts go away under it. One controller and one compute host; the cloud
// that nothing happened to is made beside it, and both must look the same in the end.
const cloud = new TestCloud('crash', '10.117');
const calm = new TestCloud('calm', '10.118');
const two = (text: string): string => text.replace('cmp[1-2]', 'cmp1').replace(/^ {2}sto.*\n/m, '');

/**
 * All that a run leaves on a host and that must not depend on how it came about. epmd does: whoever speaks Erlang first
 * starts it, as a unit or by itself.
 */
const state = `
cd / && find etc/keystone etc/mysql etc/rabbitmq etc/memcached.conf etc/openstack etc/sysctl.d etc/hosts root/admin-openrc var/lib/cellwise -type f \
  ! -path '*-keys/*' -printf '%p %U:%G %m\n' 2>/dev/null | sort
dpkg-query -W -f '\${Package} \${Version} \${db:Status-Abbrev}\n'
systemctl list-units --type=service --state=running --plain --no-legend | cut -d' ' -f1 | grep -v -e ssh -e user@ -e epmd | sort
systemctl list-unit-files --state=enabled --plain --no-legend | cut -d' ' -f1 | sort
ls /usr/sbin/policy-rc.d /run/cellwise-active-units 2>&1
dpkg --audit
mariadb -NB -e 'SHOW DATABASES; SELECT User, Host FROM mysql.user ORDER BY 1, 2' 2>/dev/null || true
`;

/** Units that run with a configuration that is older than their last start are up to date: one that is newer is a lost restart. */
const lostRestarts = `
for pair in mariadb:/etc/mysql/mariadb.conf.d/99-cellwise.cnf rabbitmq-server:/etc/rabbitmq/rabbitmq.conf memcached:/etc/memcached.conf keystone:/etc/keystone/keystone.conf; do
  unit=\${pair%%:*}; file=\${pair#*:}
  started=$(date -d "$(systemctl show --value -p ActiveEnterTimestamp $unit)" +%s)
  [ "$started" -ge "$(stat -c %Y "$file")" ] || echo "$unit runs with an old $file"
done`;

beforeAll(async () => {
  cloud.write(two);
  calm.write(two);
  await cloud.up();
}, 120_000);

afterAll(async () => {
  await cloud.down();
  await calm.down();
}, 300_000);

describe('a fresh apply that is killed 20 times', () => {
  it('is finished by the next one, with no service left on an old configuration', { timeout: 1_200_000 }, async () => {
    let kills = 0;
    for (; kills < 20; kills++) {
      const run = cloud.start('apply', '--yes');
      const ended = once(run, 'exit');
      // Kills spread over all phases: many while little has happened, some while packages are being unpacked.
      const survived = await Promise.race([delay(700 + Math.random() * 9000, true), ended.then(() => false)]);
      if (!survived) break;
      run.kill('SIGKILL');
      await ended;
    }
    const last = await cloud.apply();
    expect(last.summary, last.err).toMatchObject({ failed: 0, blocked: 0, unreachable: 0 });
    expect(await cloud.on('ctl1', lostRestarts)).toBe('');
    expect(await cloud.apply()).toMatchObject({ code: 0, changed: [] });
    expect((await cloud.cellwise('verify')).code).toBe(0);
    expect(kills).toBeGreaterThan(3);
  });

  it('leaves the same state as a calm one', { timeout: 900_000 }, async () => {
    await calm.up();
    expect((await calm.apply()).code).toBe(0);
    for (const host of ['ctl1', 'cmp1']) {
      const [is, should] = await Promise.all([cloud.on(host, state), calm.on(host, state)]);
      expect(is.replaceAll('10.117.0.', '10.118.0.')).toBe(should);
    }
  });
});

describe('a service that does not start', () => {
  it('is reported with its last words, and tried again by the next run', { timeout: 300_000 }, async () => {
    await cloud.on(
      'ctl1',
      'mkdir -p /etc/systemd/system/memcached.service.d && printf "[Service]\\nExecStartPre=/bin/sh -c \\"echo no luck today; exit 1\\"\\n" >/etc/systemd/system/memcached.service.d/bad.conf && systemctl daemon-reload && echo "# mine" >>/etc/memcached.conf',
    );
    for (let i = 0; i < 2; i++) {
      const { code, events } = await cloud.apply();
      expect(code).toBe(1);
      const failed = events.find((event) => event.type === 'step-failed');
      expect(failed).toMatchObject({ step: 'ctl1/memcached/service memcached' });
      expect(failed).toHaveProperty('output', expect.arrayContaining([expect.stringContaining('no luck today')]));
    }
    await cloud.on('ctl1', 'rm -r /etc/systemd/system/memcached.service.d && systemctl daemon-reload');
    expect(await cloud.apply()).toMatchObject({ code: 0, changed: ['ctl1/memcached/service memcached'] });
  });
});

describe('a host in trouble', () => {
  it('with a full disk: says so, and the old file is whole', { timeout: 240_000 }, async () => {
    // A file system of its own for /etc/openstack, full to the last byte.
    await cloud.on(
      'ctl1',
      'cp -a /etc/openstack /root/kept && mount -t tmpfs -o size=64k tmpfs /etc/openstack && cp -a /root/kept/. /etc/openstack/ && echo "# mine" >>/etc/openstack/clouds.yaml && (cat /dev/zero >/etc/openstack/full 2>/dev/null; true)',
    );
    const before = await cloud.on('ctl1', 'sha256sum /etc/openstack/clouds.yaml');
    const { code, events } = await cloud.apply();
    expect(code).toBe(1);
    const failed = events.find((event) => event.type === 'step-failed');
    expect(failed).toMatchObject({ step: 'ctl1/keystone/file /etc/openstack/clouds.yaml' });
    expect(failed).toHaveProperty('output', expect.arrayContaining([expect.stringContaining('No space left on device')]));
    expect(await cloud.on('ctl1', 'sha256sum /etc/openstack/clouds.yaml; ls -A /etc/openstack')).toBe(`${before}\nclouds.yaml\nfull`);
    await cloud.on('ctl1', 'umount /etc/openstack');
    expect((await cloud.apply()).code).toBe(0);
  });

  it('with a read-only file system: says so', { timeout: 240_000 }, async () => {
    await cloud.on('ctl1', 'mount -t tmpfs tmpfs /etc/openstack && mount -o remount,ro /etc/openstack');
    const { code, events } = await cloud.apply();
    await cloud.on('ctl1', 'umount /etc/openstack');
    expect(code).toBe(1);
    expect(events.find((event) => event.type === 'step-failed')).toHaveProperty(
      'output',
      expect.arrayContaining([expect.stringContaining('Read-only file system')]),
    );
  });

  it('whose apt is busy: waits for it', { timeout: 240_000 }, async () => {
    await cloud.on(
      'cmp1',
      'apt-get remove -qq -y chrony >/dev/null 2>&1; nohup flock /var/lib/dpkg/lock-frontend sleep 1 >/dev/null 2>&1 &',
    );
    // A lock as dpkg takes it (fcntl), which flock is not.
    await cloud.on(
      'cmp1',
      'nohup perl -e \'open(F, ">>/var/lib/dpkg/lock-frontend"); $l = pack("s s l! l! i", 1, 0, 0, 0, 0); fcntl(F, 6, $l) or die $!; sleep 8\' >/dev/null 2>&1 &',
    );
    const { code, changed, events } = await cloud.apply();
    expect(code).toBe(0);
    expect(changed).toContain('cmp1/packages');
    const done = events.find((event) => event.type === 'step-changed' && event.step === 'cmp1/packages');
    expect(done?.type === 'step-changed' && done.seconds).toBeGreaterThan(5);
  });

  it('whose sshd is restarted while a step runs: the step is not cut in half', { timeout: 240_000 }, async () => {
    await cloud.on('cmp1', 'apt-get remove -qq -y chrony >/dev/null 2>&1');
    const run = cloud.apply();
    await expect.poll(() => cloud.on('cmp1', 'pgrep -c apt-get || true'), { timeout: 90_000, interval: 100 }).not.toBe('0');
    await cloud.on('cmp1', 'systemctl restart ssh; pkill -KILL -f "[s]shd-session" || true');
    expect(await run).toMatchObject({ code: 0 });
    expect(await cloud.on('cmp1', 'systemctl is-active chrony; dpkg --audit')).toBe('active');
  });

  it('whose network is cut for a while: the run goes on where it was', { timeout: 240_000 }, async () => {
    await cloud.on('cmp1', 'apt-get remove -qq -y chrony >/dev/null 2>&1');
    const network = `cellwise-${cloud.name}-0-management`;
    const run = cloud.apply();
    await expect.poll(() => cloud.on('cmp1', 'pgrep -c apt-get || true'), { timeout: 90_000, interval: 100 }).not.toBe('0');
    await docker(['network', 'disconnect', network, cloud.container('cmp1')]);
    await delay(30_000);
    await docker(['network', 'connect', '--ip', '10.117.0.21', network, cloud.container('cmp1')]);
    const { code, events } = await run;
    // What apt could not fetch meanwhile is fetched by the next run.
    if (code !== 0) expect(events.find((event) => event.type === 'step-failed')).toMatchObject({ step: 'cmp1/packages' });
    expect(await cloud.apply()).toMatchObject({ code: 0 });
  });

  it('that dies for good: the others are finished, and the run ends', { timeout: 600_000 }, async () => {
    await cloud.on('cmp1', 'apt-get remove -qq -y chrony >/dev/null 2>&1');
    await cloud.on('ctl1', 'echo "# mine" >>/etc/memcached.conf');
    const run = cloud.apply();
    await expect.poll(() => cloud.on('cmp1', 'pgrep -c apt-get || true'), { timeout: 90_000, interval: 100 }).not.toBe('0');
    await docker(['kill', cloud.container('cmp1')]);
    const { code, summary, changed } = await run;
    expect(code).toBe(4);
    expect(summary).toMatchObject({ failed: 0, unreachable: 1 });
    expect(changed).toEqual(['ctl1/memcached/file /etc/memcached.conf', 'ctl1/memcached/service memcached']);
    await cloud.up();
    expect(await cloud.apply()).toMatchObject({ code: 0 });
    expect(await cloud.on('cmp1', 'systemctl is-active chrony')).toBe('active');
  });
});
