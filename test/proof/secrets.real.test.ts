// Every secret of a cloud is a canary: a whole apply under watch, and then a search of everything that is left behind.
import { execFile, execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { docker } from '../../src/lab/docker.ts';
import { openSecrets } from '../../src/secrets/store.ts';

const directory = mkdtempSync(join(tmpdir(), 'cellwise-secrets-'));
const name = `canary${process.pid}`;
const inventory = join(directory, 'one.yaml');
const files = {
  file: join(directory, 'one.secrets.age'),
  identity: join(directory, '.cellwise/one/identity'),
  directory: join(directory, '.cellwise/one'),
};
const container = `cellwise-${name}-ctl1`;

/** One for each secret that the roles ask for; keystone's database password goes through a library that breaks on `%`. */
const canaries: Readonly<Record<string, string>> = {
  'cloud.fingerprint_key': 'CanaryFingerprint7f3b1c9e2d4a6f8b0c1d',
  'keystone.admin_password': 'CanaryAdmin.x7Qm2vR9tL4w',
  'keystone.db_password': 'CanaryKeystoneDb5nT8cX1zB6',
  'mariadb.monitor_password': `CanaryMonitor'"$(id)\`;ä 😀 9`,
  'rabbitmq.ceilometer': 'CanaryCeilometerB4xU9rE3oY',
  'rabbitmq.cinder': 'CanaryCinderR8wK2nY5qD',
  'rabbitmq.heat': 'CanaryHeatT3mZ9cF6hJ',
  'rabbitmq.keystone': 'CanaryRabbit/+&=?#@:p4 ',
  'rabbitmq.neutron': 'CanaryNeutronV7bN4xG1sL',
  'rabbitmq.nova': 'CanaryNovaP5jH8tQ2dW',
};
const rotated = 'CanaryRotatedDb3kV7hJ2pW9';

/** As it is, and as tools write it: in base64 however it is aligned, in a URL, in JSON, in hex. */
function formsOf(value: string): string[] {
  const base64 = [0, 1, 2].map((skew) =>
    Buffer.from(' '.repeat(skew) + value)
      .toString('base64')
      .slice(skew === 0 ? 0 : 4, -4),
  );
  return [
    ...new Set([value, encodeURIComponent(value), JSON.stringify(value).slice(1, -1), Buffer.from(value).toString('hex'), ...base64]),
  ];
}
const forms = new Map(
  [...Object.entries(canaries), ['rotated', rotated] as const].flatMap(([of, value]) => formsOf(value).map((form) => [form, of] as const)),
);

/** The names of the secrets that a text holds. */
function leaks(text: string | Buffer): string[] {
  const bytes = Buffer.from(text);
  return [...new Set([...forms].flatMap(([form, of]) => (bytes.includes(form) ? [of] : [])))];
}

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

function cellwise(words: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Ran> {
  const args = ['src/cli/main.ts', ...words, '-i', inventory];
  return new Promise((resolve) => {
    execFile(process.execPath, args, { maxBuffer: 1 << 28, env: { ...process.env, ...env } }, (error, out, err) => {
      resolve({ code: error ? Number(error.code) : 0, out, err });
    });
  });
}

const on = (script: string): Promise<string> => docker(['exec', container, 'sh', '-c', script]);

// --- watching ------------------------------------------------------------------------------------------------------------

interface Watch {
  /** What was seen, and how often it was looked. */
  readonly stop: () => Promise<{ readonly seen: readonly string[]; readonly rounds: number }>;
}

/** Arguments and environments of all processes of this machine, which sees those in containers too. */
function watchHere(): Watch {
  const seen = new Set<string>();
  let rounds = 0;
  const timer = setInterval(() => {
    rounds += 1;
    for (const pid of readdirSync('/proc')) {
      if (!/^\d+$/.test(pid)) continue;
      for (const part of ['cmdline', 'environ']) {
        const text = tryRead(join('/proc', pid, part));
        for (const of of leaks(text))
          seen.add(
            `${of} in ${part} of ${tryRead(join('/proc', pid, 'cmdline'))
              .toString()
              .replaceAll('\0', ' ')
              .slice(0, 200)}`,
          );
      }
    }
  }, 40);
  return {
    stop: () => {
      clearInterval(timer);
      return Promise.resolve({ seen: [...seen], rounds });
    },
  };
}

function tryRead(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch {
    // Gone, or not ours to read.
    return Buffer.alloc(0);
  }
}

const patterns = '/root/patterns';

/** The same on the machine, by its own tools. */
async function watchThere(): Promise<Watch> {
  await writeThere(patterns, [...forms.keys()].join('\n'));
  await writeThere('/root/watch.sh', readFileSync(join(import.meta.dirname, 'watch.sh'), 'utf8'));
  const watcher = spawn('docker', ['exec', container, 'nice', 'sh', '/root/watch.sh', patterns], { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  watcher.stdout.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
  const ended = new Promise((resolve) => watcher.on('close', resolve));
  return {
    async stop() {
      await on(`rm ${patterns} /root/watch.sh`);
      await ended;
      const lines = text.trimEnd().split('\n');
      return { seen: [...new Set(lines.filter((line) => line !== 'round'))], rounds: lines.filter((line) => line === 'round').length };
    },
  };
}

function writeThere(file: string, text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn('docker', ['exec', '-i', container, 'sh', '-c', `umask 077; cat >${file}`], {
      stdio: ['pipe', 'ignore', 'inherit'],
    });
    child.on('close', (code) => {
      if (code === 0) resolve();
      else reject(new Error(`${file} could not be written`));
    });
    child.stdin.end(text);
  });
}

// --- the cloud -----------------------------------------------------------------------------------------------------------

/** Everything that was said on the way, by what said it. */
const said = new Map<string, string>();
const ran = async (title: string, words: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Ran> => {
  const done = await cellwise(words, env);
  said.set(`${title}: stdout`, done.out);
  said.set(`${title}: stderr`, done.err);
  return done;
};
let watched: { readonly here: Awaited<ReturnType<Watch['stop']>>; readonly there: Awaited<ReturnType<Watch['stop']>> };

beforeAll(async () => {
  const lab = readFileSync('inventories/lab.yaml', 'utf8');
  const own = lab
    .replace(/^ {2}name: lab$/m, `  name: ${name}\n  services: [keystone]`)
    .replace(/^resources:\n(?:(?: .*)?\n)*/m, '')
    .replaceAll('10.77.', '10.94.')
    .replaceAll('.cellwise/lab/', '.cellwise/one/')
    .replace(/^ {2}(cmp|sto)\[.*\n/gm, '')
    .replace(/^ {2}domain: .*$/m, '$&\n  storage: file');
  writeFileSync(inventory, own);
  expect(await cellwise(['lab', 'up'])).toMatchObject({ code: 0 });
  const store = await openSecrets(files);
  for (const [secret, value] of Object.entries(canaries)) store.set(secret, value);
  await store.save();
}, 120_000);

afterAll(async () => {
  await cellwise(['lab', 'down']);
  rmSync(directory, { recursive: true });
}, 60_000);

describe('a cloud of canaries', () => {
  test('is made in one apply, under watch', { timeout: 900_000 }, async () => {
    await ran('plan before', ['plan', '--json', '--out', join(directory, 'before.plan')]);
    const [here, there] = [watchHere(), await watchThere()];
    const applied = await ran('apply', ['apply', '--yes', '--json']);
    await ran('verify', ['verify', '--json']);
    watched = { here: await here.stop(), there: await there.stop() };
    expect(applied.code, applied.err.slice(-3000)).toBe(0);
    process.stderr.write(`[secrets] looked ${watched.here.rounds} times here, ${watched.there.rounds} times there\n`);
    // Not one more: a secret that is not among the canaries would be looked for nowhere.
    expect((await openSecrets(files)).names()).toEqual(Object.keys(canaries).toSorted());
  });

  test('no argument and no environment of any process held one', () => {
    expect(watched.here.seen).toEqual([]);
    expect(watched.there.seen).toEqual([]);
    expect(watched.here.rounds).toBeGreaterThan(200);
    expect(watched.there.rounds).toBeGreaterThan(50);
  });

  test('and that would have been seen', async () => {
    const [here, there] = [watchHere(), await watchThere()];
    const value = canaries['keystone.db_password']!;
    await Promise.all([
      delay(2000),
      on(`sleep 1 & X=${value} sleep 1; wait`),
      new Promise((resolve) =>
        spawn('sleep', ['1'], { env: { X: encodeURIComponent(canaries['rabbitmq.keystone']!) } }).on('close', resolve),
      ),
    ]);
    const seen = { here: (await here.stop()).seen.join('\n'), there: (await there.stop()).seen.join('\n') };
    expect(seen.here).toMatch(/rabbitmq\.keystone in environ/);
    expect(seen.there).toMatch(/environ/);
  });

  test('what changes is told without them: rotated, changed by hand, asked for in every way', { timeout: 300_000 }, async () => {
    const store = await openSecrets(files);
    store.set('keystone.db_password', rotated);
    await store.save();
    // The old one is in a file on the host, and nobody here knows it any more.
    await on(
      `printf '# mine %s\\n' '${canaries['keystone.db_password']!}' >>/etc/keystone/keystone.conf; sed -i 's/^  clouds/x/; s/username: admin/username: other/' /etc/openstack/clouds.yaml`,
    );
    const plan = await ran('plan', ['plan', '--out', join(directory, 'rotated.plan')]);
    expect(plan.out).toMatch(/file \/etc\/keystone\/keystone\.conf/);
    expect(plan.out).toMatch(/^ +\+connection = mysql\+pymysql:\/\/keystone:‹secret keystone\.db_password›@/m);
    await ran('plan --json', ['plan', '--json']);
    await ran('plan under NODE_DEBUG', ['plan'], { NODE_DEBUG: 'net,stream,timer' });
    await ran('render', ['render', '--out', join(directory, 'rendered')]);
    for (const line of ['validate', 'graph --format json', 'explain ctl1', 'explain keystone', 'status', 'status --json'])
      await ran(line, line.split(' '));
    await ran('an unknown secret', ['secrets', 'show', 'keystone.db_passwort']);
  });

  test('a plan that was spoilt or that cannot be written says nothing of them', async () => {
    await ran('a spoilt plan', ['apply', '--yes', files.identity]);
    await ran('a plan that is the secrets', ['apply', '--yes', files.file]);
  });

  test('nothing that was said holds one: screen, events, diffs, debug output', () => {
    expect([...said].flatMap(([title, text]) => leaks(text).map((of) => `${of} in ${title}`))).toEqual([]);
    expect([...said.values()].join('').length).toBeGreaterThan(50_000);
  });

  test('no file beside the inventory holds one: journal, plans, rendered files, the encrypted store', () => {
    const all = readdirSync(directory, { recursive: true, encoding: 'utf8' }).map((file) => join(directory, file));
    const regular = all.filter((file) => statSync(file).isFile());
    expect(regular.flatMap((file) => leaks(readFileSync(file)).map((of) => `${of} in ${file}`))).toEqual([]);
    expect(regular.filter((file) => file.endsWith('.jsonl'))).toHaveLength(1);
    expect(regular.filter((file) => file.endsWith('.plan'))).toHaveLength(2);
    expect(regular.filter((file) => file.endsWith('keystone.conf'))).toHaveLength(1);
  });

  test('what belongs to one operator is readable by nobody else', () => {
    const mode = (file: string): string => (statSync(file).mode & 0o777).toString(8);
    const runs = join(directory, '.cellwise/one/runs');
    expect(
      [
        files.file,
        files.identity,
        join(directory, 'before.plan'),
        join(directory, '.cellwise/one/id_ed25519'),
        join(runs, readdirSync(runs)[0]!),
      ].map(mode),
    ).toEqual(Array(5).fill('600'));
    expect([runs, join(directory, '.cellwise/one')].map(mode)).toEqual(['700', '700']);
  });

  test('no file that git would take holds one', () => {
    const tracked = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], { encoding: 'utf8' }).split('\0');
    const found = tracked
      .filter((file) => file !== '' && existsSync(file) && statSync(file).isFile())
      .flatMap((file) => leaks(readFileSync(file)).map((of) => `${of} in ${file}`));
    // This file itself names them.
    expect(found.filter((each) => !each.endsWith('test/proof/secrets.real.test.ts'))).toEqual([]);
  });

  test('no digest that could be tried out holds one: those that are told are keyed', async () => {
    const whole = (await on('sha256sum /etc/keystone/keystone.conf /root/admin-openrc /etc/openstack/clouds.yaml')).match(/[0-9a-f]{64}/g)!;
    const values = Object.values(canaries).flatMap((value) =>
      ['sha256', 'sha1', 'md5'].map((algorithm) => createHash(algorithm).update(value).digest('hex')),
    );
    const journal = readFileSync(join(directory, '.cellwise/one/runs', readdirSync(join(directory, '.cellwise/one/runs'))[0]!), 'utf8');
    const told = [...said, ['journal', journal] as const];
    expect(
      told.flatMap(([title, text]) =>
        [...whole, ...values].filter((digest) => text.includes(digest)).map((digest) => `${digest} in ${title}`),
      ),
    ).toEqual([]);
  });
});

describe('on the host', () => {
  test('only those files hold one that have to, and only those can read them who have to', { timeout: 120_000 }, async () => {
    await writeThere(patterns, [...forms.keys()].join('\n'));
    // Memory that only looks like files, our own patterns, and MariaDB's tables, which hold hashes: whatever finds one there is told.
    const found = await on(
      `grep -rlaF -f ${patterns} --exclude=patterns --exclude-dir=proc --exclude-dir=sys / 2>/dev/null | sort | xargs -r stat -c '%n %U:%G %a'`,
    );
    expect(found.split('\n')).toEqual([
      '/etc/keystone/keystone.conf root:keystone 640',
      '/etc/openstack/clouds.yaml root:root 600',
      '/root/admin-openrc root:root 600',
    ]);
  });

  test('nobody who may not can read one', { timeout: 120_000 }, async () => {
    await on(`install -o nobody -m 600 ${patterns} /tmp/patterns`);
    const readable = await on(
      `find / -xdev -perm -o=r -type f -not -path '/proc/*' -not -path '/sys/*' -print0 | xargs -0 grep -laF -f ${patterns} 2>/dev/null || true`,
    );
    expect(readable).toBe('');
    const asNobody = await on(
      `runuser -u nobody -- grep -rlaF -f /tmp/patterns --exclude=patterns --exclude-dir=proc --exclude-dir=sys / 2>/dev/null || true; rm /tmp/patterns`,
    );
    expect(asNobody).toBe('');
  });

  test('the system journal holds none', { timeout: 60_000 }, async () => {
    const journal = await on(`journalctl --no-pager -o export | grep -aFc -f ${patterns} || true`);
    expect(journal).toBe('0');
    expect(Number(await on('journalctl --no-pager -q | wc -l'))).toBeGreaterThan(100);
  });

  test('what is left of runs holds none, and is for root alone', async () => {
    expect(
      await on(`stat -c '%a %U' /run/cellwise; grep -rlaF -f ${patterns} /run /var/lib/cellwise /tmp 2>/dev/null; rm ${patterns}`),
    ).toBe('700 root');
  });
});

describe('an identity that does not fit', () => {
  const other = join(directory, 'other');
  beforeAll(async () => {
    mkdirSync(other);
    await openSecrets({ file: join(other, 'secrets.age'), identity: join(other, 'identity'), directory: other });
    writeFileSync(join(other, 'no-identity'), 'hello\n', { mode: 0o600 });
    writeFileSync(join(other, 'half-an-identity'), readFileSync(join(other, 'identity'), 'utf8').slice(0, -20), { mode: 0o600 });
    writeFileSync(join(other, 'damaged'), readFileSync(files.file, 'utf8').replace(/^.{20}/m, ''));
  });

  test.each<[what: string, identity: string, words: RegExp]>([
    ['another one', 'identity', /The identity .+\/other\/identity does not open .+one\.secrets\.age/],
    ['a file that is none', 'no-identity', /no-identity holds no age identity/],
    ['half of one', 'half-an-identity', /half-an-identity/],
    ['one that is not there', 'missing', /its identity .+\/other\/missing is missing/],
    ['a directory', '.', /other/],
  ])('%s: one clear sentence, exit code 3', async (_what, identity, words) => {
    for (const command of [
      ['plan'],
      ['apply', '--yes'],
      ['secrets', 'show', 'keystone.db_password'],
      ['secrets', 'rotate', 'keystone.db_password'],
    ]) {
      const { code, out, err } = await cellwise(command, { CELLWISE_IDENTITY: join(other, identity) });
      expect({ command, code, out }).toEqual({ command, code: 3, out: '' });
      expect(err).toMatch(words);
      expect(err).not.toMatch(/^ {4}at /m);
      expect(leaks(err)).toEqual([]);
    }
  });

  test('secrets that are damaged: the same', async () => {
    const kept = join(directory, 'kept');
    cpSync(files.file, kept);
    for (const damage of [readFileSync(join(other, 'damaged')), Buffer.alloc(0), Buffer.from('hello'), Buffer.alloc(100, 0xff)]) {
      writeFileSync(files.file, damage);
      const { code, out, err } = await cellwise(['plan']);
      expect({ code, out }).toEqual({ code: 3, out: '' });
      expect(err).toMatch(/does not open .+one\.secrets\.age/);
      expect(err).not.toMatch(/^ {4}at /m);
    }
    cpSync(kept, files.file);
  });
});
