import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Event, Summary } from '../../src/base/event.ts';
import { docker } from '../../src/lab/docker.ts';

// The whole way that an operator goes, in their order, on six machines of a lab of its own: each test builds on those
// before it. Cellwise runs as a process, as it does for them.
const directory = mkdtempSync(join(tmpdir(), 'cellwise-cloud-'));
const inventory = join(directory, 'six.yaml');
const cloud = `six${process.pid}`;
const names = ['ctl1', 'cmp1', 'cmp2', 'sto1', 'sto2', 'sto3'];

function writeInventory(change: (text: string) => string = (text) => text): void {
  const lab = readFileSync('inventories/lab.yaml', 'utf8');
  const own = lab
    .replace('name: lab\n', `name: ${cloud}\n`)
    .replaceAll('10.77.0.', '10.93.0.')
    .replaceAll('.cellwise/lab/', '.cellwise/six/');
  writeFileSync(inventory, change(own));
}

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
  readonly events: readonly Event[];
}

function cellwise(...words: readonly string[]): Promise<Ran> {
  const args = ['src/cli/main.ts', ...words, '-i', inventory];
  return new Promise((resolve) => {
    execFile(process.execPath, args, { maxBuffer: 1 << 28 }, (error, out, err) => {
      const lines = words.includes('--json') ? out.trim().split('\n') : [];
      resolve({ code: error ? Number(error.code) : 0, out, err, events: lines.filter(Boolean).map((line) => JSON.parse(line) as Event) });
    });
  });
}

async function apply(...words: readonly string[]): Promise<Ran & { readonly summary: Summary; readonly changed: readonly string[] }> {
  const ran = await cellwise('apply', '--yes', '--json', ...words);
  const summary = ran.events.at(-1) as Summary;
  const changed = ran.events.flatMap((event) => (event.type === 'step-changed' ? [event.step] : []));
  return { ...ran, summary, changed };
}

function on(host: string, script: string): Promise<string> {
  return docker(['exec', `cellwise-${cloud}-${host}`, 'sh', '-c', script]);
}

beforeAll(async () => {
  writeInventory();
  expect(await cellwise('lab', 'up')).toMatchObject({ code: 0 });
}, 120_000);

afterAll(async () => {
  await cellwise('lab', 'down');
  rmSync(directory, { recursive: true });
}, 120_000);

describe('before anything is done', () => {
  it('refuses a host whose key nobody vouches for, and says how to accept it', async () => {
    const known = join(directory, '.cellwise/six/known_hosts');
    const text = readFileSync(known, 'utf8');
    writeFileSync(known, '');
    const ran = await cellwise('plan', '--json');
    writeFileSync(known, text);
    expect(ran.code).toBe(4);
    const down = ran.events.filter((event) => event.type === 'host-down');
    expect(down.map(({ host, reason }) => [host, reason]).toSorted()).toEqual(names.toSorted().map((name) => [name, 'host-key-unknown']));
    for (const { hint } of down) expect(hint).toMatch(/ssh-ed25519 AAAA/);
  });

  it('tells what would change, and changes nothing', async () => {
    const before = await on('ctl1', 'dpkg-query -W | sha256sum; ls -R /etc | sha256sum');
    const ran = await cellwise('plan', '--detailed-exitcode', '--json');
    expect(ran.code).toBe(2);
    const planned = ran.events.flatMap((event) => (event.type === 'step-planned' ? [event.step] : []));
    expect(planned).toContain('ctl1/keystone/file /etc/keystone/keystone.conf');
    // What rests on packages that are not there yet is not guessed.
    const unknown = ran.events.flatMap((event) => (event.type === 'step-unknown' ? [[event.step, event.because]] : []));
    expect(unknown).toContainEqual(['ctl1/keystone/mysql-database keystone', 'follows from ctl1/packages']);
    expect(await on('ctl1', 'dpkg-query -W | sha256sum; ls -R /etc | sha256sum')).toBe(before);
  });
});

describe('a fresh cloud', () => {
  it('is made in one apply, while a second operator is refused and told who the first is', { timeout: 480_000 }, async () => {
    const first = apply();
    // The first holds the locks once it has begun to install.
    await expect
      .poll(() => on('ctl1', 'cat /run/cellwise/lock.info 2>/dev/null || true'), { timeout: 60_000, interval: 200 })
      .toContain('cellwise apply');
    const second = await apply();
    expect(second.code).toBe(5);
    expect(second.err).toMatch(/is locked by root@.* "cellwise apply" since 20/);
    const { code, summary, err } = await first;
    expect(summary, err).toMatchObject({ failed: 0, blocked: 0, unreachable: 0, hosts: 6 });
    expect(summary.changed).toBeGreaterThan(40);
    expect(code).toBe(0);
  });

  it('has nothing to change the second time, in one batch a host', async () => {
    const { code, summary, changed } = await apply();
    expect({ code, changed }).toEqual({ code: 0, changed: [] });
    expect(summary.ok).toBe(summary.steps);
    // One a host, and what is asked of Keystone: a token, a project, a role.
    expect(summary.roundTrips).toBeLessThanOrEqual(names.length + 4);
  });

  it('hands out tokens and lists its catalogue', async () => {
    const ran = await cellwise('verify', '--json');
    expect(ran.code).toBe(0);
    const healthy = ran.events.flatMap((event) => (event.type === 'health-ok' ? [`${event.host} ${event.role}`] : []));
    expect(healthy).toContain('ctl1 keystone');
    expect(healthy).toHaveLength(names.length + 4);
    // As its administrator would, with the files that the role left there.
    const token = await on(
      'ctl1',
      '. /root/admin-openrc && openstack token issue -f value -c project_id && stat -c %a /root/admin-openrc /etc/openstack/clouds.yaml',
    );
    expect(token).toMatch(/^[0-9a-f]{32}\n600\n600$/);
  });
});

describe('later', () => {
  it('mends what was changed by hand, and nothing else', async () => {
    await on('ctl1', 'echo "# mine" >>/etc/memcached.conf; chmod 644 /root/admin-openrc; mariadb -e "DROP USER monitor@localhost"');
    await on('sto2', 'sed -i /ctl1/d /etc/hosts');
    const plan = await cellwise('plan', '--json');
    const restart = plan.events.find((event) => event.type === 'step-planned' && event.stepType === 'service');
    expect(restart).toMatchObject({ step: 'ctl1/memcached/service memcached', change: { reasons: ['/etc/memcached.conf'] } });
    const { code, changed } = await apply();
    expect(code).toBe(0);
    expect(changed.toSorted()).toEqual([
      'ctl1/keystone/file /root/admin-openrc',
      'ctl1/mariadb/mysql-user monitor',
      'ctl1/memcached/file /etc/memcached.conf',
      'ctl1/memcached/service memcached',
      'sto2/base/hosts-file',
    ]);
    expect((await apply()).changed).toEqual([]);
  });

  it('owes a restart until it is done, however the run before ended', async () => {
    // As a run leaves it that dies between a file and the restart: the file is right, the record is gone.
    await on('ctl1', 'rm /var/lib/cellwise/units/memcached.service');
    expect((await apply()).changed).toEqual(['ctl1/memcached/service memcached']);
  });

  it('rotating a secret changes exactly what uses it', async () => {
    expect((await cellwise('secrets', 'rotate', 'keystone.db_password')).code).toBe(0);
    const { code, changed } = await apply();
    expect(code).toBe(0);
    expect(changed.toSorted()).toEqual([
      'ctl1/keystone/file /etc/keystone/keystone.conf',
      'ctl1/keystone/mysql-user keystone',
      'ctl1/keystone/service keystone',
    ]);
    expect((await cellwise('verify')).code).toBe(0);
  });

  it('refuses a saved plan once a host is no longer as it was', async () => {
    const file = join(directory, 'tonight.plan');
    await on('cmp1', 'rm /etc/sysctl.d/60-cellwise-vm.swappiness.conf');
    expect((await cellwise('plan', '--out', file)).code).toBe(0);
    await on('cmp2', 'rm /etc/sysctl.d/60-cellwise-vm.swappiness.conf');
    const stale = await apply(file);
    expect(stale.code).toBe(3);
    expect(stale.err).toMatch(/cmp2: changed since/);
    expect(stale.changed).toEqual([]);
    const fresh = await cellwise('plan', '--out', file);
    expect(fresh.code).toBe(0);
    expect((await apply(file)).changed.toSorted()).toEqual(['cmp1/base/sysctl vm.swappiness', 'cmp2/base/sysctl vm.swappiness']);
  });

  it('a step that fails blocks what needs it and nothing else', async () => {
    await on('cmp1', 'mv /etc/sysctl.d /etc/sysctl.d.kept && touch /etc/sysctl.d');
    await on('sto1', 'rm /etc/sysctl.d/60-cellwise-vm.swappiness.conf');
    const { code, events, summary, changed } = await apply();
    await on('cmp1', 'rm /etc/sysctl.d && mv /etc/sysctl.d.kept /etc/sysctl.d');
    expect(code).toBe(1);
    expect(summary).toMatchObject({ failed: 1, unreachable: 0 });
    const failed = events.find((event) => event.type === 'step-failed');
    expect(failed).toMatchObject({ step: 'cmp1/base/sysctl vm.swappiness' });
    expect(failed).toHaveProperty('output', expect.arrayContaining([expect.stringContaining('/etc/sysctl.d')]));
    expect(events.flatMap((event) => (event.type === 'step-blocked' ? [[event.step, event.by]] : []))).toEqual([
      ['cmp1/base/sysctl net.ipv4.ip_nonlocal_bind', 'cmp1/base/sysctl vm.swappiness'],
    ]);
    expect(changed).toEqual(['sto1/base/sysctl vm.swappiness']);
    expect((await apply()).code).toBe(0);
  });

  it('works on the others when a host does not answer, and says so by its exit code', async () => {
    await docker(['stop', '-t', '10', `cellwise-${cloud}-sto3`]);
    await on('sto1', 'rm /etc/sysctl.d/60-cellwise-vm.swappiness.conf');
    const { code, summary, changed, events } = await apply();
    expect(code).toBe(4);
    expect(changed).toEqual(['sto1/base/sysctl vm.swappiness']);
    expect(summary).toMatchObject({ failed: 0, unreachable: 1 });
    expect(events.find((event) => event.type === 'host-down')).toMatchObject({ host: 'sto3' });
    expect((await cellwise('lab', 'up')).code).toBe(0);
    expect(await apply()).toMatchObject({ code: 0, changed: [] });
  });

  it('the journal tells how the last run ended', async () => {
    const ran = await cellwise('status');
    expect(ran.code).toBe(0);
    expect(ran.out).toMatch(/0 changed, 0 failed/);
  });
});
