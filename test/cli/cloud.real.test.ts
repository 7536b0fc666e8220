import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { docker } from '../../src/lab/docker.ts';
import { TestCloud } from './test-cloud.ts';

// The whole way that an operator goes, in their order, on six machines: each test builds on those before it.
const cloud = new TestCloud('six', '10.93');
const names = ['ctl1', 'cmp1', 'cmp2', 'sto1', 'sto2', 'sto3'];

beforeAll(() => cloud.up(), 120_000);
afterAll(() => cloud.down(), 120_000);

describe('before anything is done', () => {
  it('refuses a host whose key nobody vouches for, and says how to accept it', async () => {
    const known = join(cloud.directory, '.cellwise/cloud/known_hosts');
    const text = readFileSync(known, 'utf8');
    writeFileSync(known, '');
    const ran = await cloud.cellwise('plan', '--json');
    writeFileSync(known, text);
    expect(ran.code).toBe(4);
    const down = ran.events.filter((event) => event.type === 'host-down');
    expect(down.map(({ host, reason }) => [host, reason]).toSorted()).toEqual(names.toSorted().map((name) => [name, 'host-key-unknown']));
    for (const { hint } of down) expect(hint).toMatch(/ssh-ed25519 AAAA/);
  });

  it('tells what would change, and changes nothing', async () => {
    const before = await cloud.on('ctl1', 'dpkg-query -W | sha256sum; ls -R /etc | sha256sum');
    const ran = await cloud.cellwise('plan', '--detailed-exitcode', '--json');
    expect(ran.code).toBe(2);
    const planned = ran.events.flatMap((event) => (event.type === 'step-planned' ? [event.step] : []));
    expect(planned).toContain('ctl1/keystone/file /etc/keystone/keystone.conf');
    // What rests on packages that are not there yet is not guessed.
    const unknown = ran.events.flatMap((event) => (event.type === 'step-unknown' ? [[event.step, event.because]] : []));
    expect(unknown).toContainEqual(['ctl1/keystone/mysql-database keystone', 'follows from ctl1/packages']);
    expect(await cloud.on('ctl1', 'dpkg-query -W | sha256sum; ls -R /etc | sha256sum')).toBe(before);
  });
});

describe('a fresh cloud', () => {
  it('is made in one apply, while a second operator is refused and told who the first is', { timeout: 480_000 }, async () => {
    const first = cloud.apply();
    // The first holds the locks once it has begun to install.
    await expect
      .poll(() => cloud.on('ctl1', 'cat /run/cellwise/lock.info 2>/dev/null || true'), { timeout: 60_000, interval: 200 })
      .toContain('cellwise apply');
    const second = await cloud.apply();
    expect(second.code).toBe(5);
    expect(second.err).toMatch(/is locked by root@.* "cellwise apply" since 20/);
    const { code, summary, err } = await first;
    expect(summary, err).toMatchObject({ failed: 0, blocked: 0, unreachable: 0, hosts: 6 });
    expect(summary.changed).toBeGreaterThan(40);
    expect(code).toBe(0);
  });

  it('has nothing to change the second time, in one batch a host', async () => {
    const { code, summary, changed } = await cloud.apply();
    expect({ code, changed }).toEqual({ code: 0, changed: [] });
    expect(summary.ok).toBe(summary.steps);
    // One a host, and what is asked of Keystone: a token, a project, a role.
    expect(summary.roundTrips).toBeLessThanOrEqual(names.length + 4);
  });

  it('hands out tokens and lists its catalogue', async () => {
    const ran = await cloud.cellwise('verify', '--json');
    expect(ran.code).toBe(0);
    const healthy = ran.events.flatMap((event) => (event.type === 'health-ok' ? [`${event.host} ${event.role}`] : []));
    expect(healthy).toContain('ctl1 keystone');
    expect(healthy).toHaveLength(names.length + 4);
    // As its administrator would, with the files that the role left there.
    const token = await cloud.on(
      'ctl1',
      '. /root/admin-openrc && openstack token issue -f value -c project_id && stat -c %a /root/admin-openrc /etc/openstack/clouds.yaml',
    );
    expect(token).toMatch(/^[0-9a-f]{32}\n600\n600$/);
  });
});

describe('later', () => {
  it('mends what was changed by hand, and nothing else', async () => {
    await cloud.on('ctl1', 'echo "# mine" >>/etc/memcached.conf; chmod 644 /root/admin-openrc; mariadb -e "DROP USER monitor@localhost"');
    await cloud.on('sto2', 'sed -i /ctl1/d /etc/hosts');
    const plan = await cloud.cellwise('plan', '--json');
    const restart = plan.events.find((event) => event.type === 'step-planned' && event.stepType === 'service');
    expect(restart).toMatchObject({ step: 'ctl1/memcached/service memcached', change: { reasons: ['/etc/memcached.conf'] } });
    const { code, changed } = await cloud.apply();
    expect(code).toBe(0);
    expect(changed.toSorted()).toEqual([
      'ctl1/keystone/file /root/admin-openrc',
      'ctl1/mariadb/mysql-user monitor',
      'ctl1/memcached/file /etc/memcached.conf',
      'ctl1/memcached/service memcached',
      'sto2/base/hosts-file',
    ]);
    expect((await cloud.apply()).changed).toEqual([]);
  });

  it('owes a restart until it is done, however the run before ended', async () => {
    // As a run leaves it that dies between a file and the restart: the file is right, the record is gone.
    await cloud.on('ctl1', 'rm /var/lib/cellwise/units/memcached.service');
    expect((await cloud.apply()).changed).toEqual(['ctl1/memcached/service memcached']);
  });

  it('rotating a secret changes exactly what uses it', async () => {
    expect((await cloud.cellwise('secrets', 'rotate', 'keystone.db_password')).code).toBe(0);
    const { code, changed } = await cloud.apply();
    expect(code).toBe(0);
    expect(changed.toSorted()).toEqual([
      'ctl1/keystone/file /etc/keystone/keystone.conf',
      'ctl1/keystone/mysql-user keystone',
      'ctl1/keystone/service keystone',
    ]);
    expect((await cloud.cellwise('verify')).code).toBe(0);
  });

  it('refuses a saved plan once a host is no longer as it was', async () => {
    const file = join(cloud.directory, 'tonight.plan');
    await cloud.on('cmp1', 'rm /etc/sysctl.d/60-cellwise-vm.swappiness.conf');
    expect((await cloud.cellwise('plan', '--out', file)).code).toBe(0);
    await cloud.on('cmp2', 'rm /etc/sysctl.d/60-cellwise-vm.swappiness.conf');
    const stale = await cloud.apply(file);
    expect(stale.code).toBe(3);
    expect(stale.err).toMatch(/cmp2: changed since/);
    expect(stale.changed).toEqual([]);
    const fresh = await cloud.cellwise('plan', '--out', file);
    expect(fresh.code).toBe(0);
    expect((await cloud.apply(file)).changed.toSorted()).toEqual(['cmp1/base/sysctl vm.swappiness', 'cmp2/base/sysctl vm.swappiness']);
  });

  it('a step that fails blocks what needs it and nothing else', async () => {
    await cloud.on('cmp1', 'mv /etc/sysctl.d /etc/sysctl.d.kept && touch /etc/sysctl.d');
    await cloud.on('sto1', 'rm /etc/sysctl.d/60-cellwise-vm.swappiness.conf');
    const { code, events, summary, changed } = await cloud.apply();
    await cloud.on('cmp1', 'rm /etc/sysctl.d && mv /etc/sysctl.d.kept /etc/sysctl.d');
    expect(code).toBe(1);
    expect(summary).toMatchObject({ failed: 1, unreachable: 0 });
    const failed = events.find((event) => event.type === 'step-failed');
    expect(failed).toMatchObject({ step: 'cmp1/base/sysctl vm.swappiness' });
    expect(failed).toHaveProperty('output', expect.arrayContaining([expect.stringContaining('/etc/sysctl.d')]));
    expect(events.flatMap((event) => (event.type === 'step-blocked' ? [[event.step, event.by]] : []))).toEqual([
      ['cmp1/base/sysctl net.ipv4.ip_nonlocal_bind', 'cmp1/base/sysctl vm.swappiness'],
    ]);
    expect(changed).toEqual(['sto1/base/sysctl vm.swappiness']);
    expect((await cloud.apply()).code).toBe(0);
  });

  it('works on the others when a host does not answer, and says so by its exit code', async () => {
    await docker(['stop', '-t', '10', cloud.container('sto3')]);
    await cloud.on('sto1', 'rm /etc/sysctl.d/60-cellwise-vm.swappiness.conf');
    const { code, summary, changed, events } = await cloud.apply();
    expect(code).toBe(4);
    expect(changed).toEqual(['sto1/base/sysctl vm.swappiness']);
    expect(summary).toMatchObject({ failed: 0, unreachable: 1 });
    expect(events.find((event) => event.type === 'host-down')).toMatchObject({ host: 'sto3' });
    expect((await cloud.cellwise('lab', 'up')).code).toBe(0);
    expect(await cloud.apply()).toMatchObject({ code: 0, changed: [] });
  });

  it('the journal tells how the last run ended', async () => {
    const ran = await cloud.cellwise('status');
    expect(ran.code).toBe(0);
    expect(ran.out).toMatch(/0 changed, 0 failed/);
  });
});
