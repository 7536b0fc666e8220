// Whoever can write to the repository knows the recipients, and holds no identity; two operators write at the same time.
import { armor, Encrypter } from 'age-encryption';
import { spawn } from 'node:child_process';
import { cpSync, existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { Invalid } from '../../src/base/problem.ts';
import { addRecipient, removeRecipient } from '../../src/secrets/edits.ts';
import { readIdentity } from '../../src/secrets/identity.ts';
import { openSecrets, type SecretFiles, type SecretsFile } from '../../src/secrets/store.ts';
import { onTerminal } from '../cli/pty.ts';
import { cellwise, type Ended } from '../cli/process.ts';
import { newDirectory } from '../roles/directories.ts';

vi.setConfig({ testTimeout: 60_000 });

/** An operator with a clone of the repository that `file` is in. */
function operator(file = join(newDirectory(), 'lab.secrets.age')): SecretFiles {
  const directory = join(newDirectory(), '.cellwise/lab');
  return { file, directory, identity: join(directory, 'identity') };
}

async function made(): Promise<{ files: SecretFiles; store: SecretsFile; value: string }> {
  const files = operator();
  const store = await openSecrets(files);
  const value = store.get('db').reveal();
  await store.save();
  return { files, store, value };
}

/** The same operator on another computer, with a copy of the identity and no more. */
function elsewhere({ file, identity }: SecretFiles): SecretFiles {
  return { ...operator(file), identity };
}

async function refusal(work: Promise<unknown>): Promise<{ code: string; message: string; hint: string }> {
  const error: unknown = await work.then(
    () => undefined,
    (caught: unknown) => caught,
  );
  expect(error).toBeInstanceOf(Invalid);
  return (error as Invalid).problems[0] as never;
}

async function forge({ file }: SecretFiles, recipient: string, text: string): Promise<void> {
  const encrypter = new Encrypter();
  encrypter.addRecipient(recipient);
  writeFileSync(file, armor.encode(await encrypter.encrypt(text)));
}

async function textOf({ file, identity }: SecretFiles): Promise<string> {
  const { decrypter } = await readIdentity(identity);
  return decrypter.decrypt(armor.decode(readFileSync(file, 'utf8')), 'text');
}

describe('a file that was replaced', () => {
  const chosen = { value: 'chosen-by-attacker', by: 'hand' };

  it('is refused, whatever format it has, on the computer where it was used and on a new one', async () => {
    const { files, store } = await made();
    const { recipient } = store.identity;
    const own = JSON.parse((await textOf(files)).replace(/^.*\n/, '')) as Record<string, unknown>;
    const second = (over: object): string =>
      `cellwise-secrets 2\n${JSON.stringify({ ...own, key: 'x'.repeat(43), secrets: { db: chosen }, ...over })}`;
    for (const text of [second({ version: 99 }), second({ version: 1 }), second({ version: 99, recipients: { [recipient]: 'x' } })]) {
      await forge(files, recipient, text);
      for (const who of [files, elsewhere(files)])
        expect(await refusal(openSecrets(who))).toMatchObject({
          code: 'secrets-untrusted',
          message: expect.stringMatching(/not written by anyone/) as string,
        });
    }
    await forge(files, recipient, JSON.stringify({ db: 'chosen-by-attacker' }));
    expect(await refusal(openSecrets(files))).toMatchObject({ code: 'secrets-untrusted' });
  });

  it('is refused, too, when what was seen of it is brought along: git overwrites what it ignores', async () => {
    const { files, store } = await made();
    const theirs = await made();
    await forge(files, store.identity.recipient, await textOf(theirs.files));
    cpSync(join(theirs.files.directory, 'secrets.seen'), join(files.directory, 'secrets.seen'));
    expect(await refusal(openSecrets(files))).toMatchObject({ code: 'secrets-untrusted' });
  });

  it('was it not, is believed with the identity alone', async () => {
    const { files, value } = await made();
    expect((await openSecrets(elsewhere(files))).get('db').reveal()).toBe(value);
  });

  it('by an older one is noticed, and can be accepted on purpose', async () => {
    const { files, store, value } = await made();
    const old = readFileSync(files.file);
    store.rotate('db');
    await store.save();
    writeFileSync(files.file, old);
    const { code, message, hint } = await refusal(openSecrets(files));
    expect([code, message]).toEqual(['secrets-older', expect.stringMatching(/version 1, after 2$/)]);
    expect(await refusal(openSecrets(files, { accept: 'nonsense' }))).toMatchObject({ code: 'secrets-untrusted' });
    const accept = /accept ([0-9a-f]{32})$/.exec(hint)![1]!;
    expect((await openSecrets(files, { accept })).get('db').reveal()).toBe(value);
    expect((await openSecrets(files)).get('db').reveal()).toBe(value);
  });

  it('by another of the same version is noticed', async () => {
    const { files } = await made();
    const base = readFileSync(files.file);
    const other = elsewhere(files);
    const theirs = await openSecrets(other);
    theirs.set('db', 'what they have set');
    await theirs.save();
    const saved = readFileSync(files.file);
    writeFileSync(files.file, base);
    const ours = await openSecrets(files);
    ours.set('db', 'what we have set');
    await ours.save();
    writeFileSync(files.file, saved);
    expect(await refusal(openSecrets(files))).toMatchObject({
      code: 'secrets-older',
      message: expect.stringMatching(/another version 2/) as string,
    });
  });

  it('by nothing does not get new secrets', async () => {
    const { files } = await made();
    rmSync(files.file);
    expect(await refusal(openSecrets(files))).toMatchObject({
      code: 'secrets-older',
      message: expect.stringMatching(/is missing/) as string,
    });
  });

  it.each([
    '{"db": 1}',
    '{"db": null}',
    '[]',
    '"x"',
    'null',
    'cellwise-secrets 2\n{}',
    'cellwise-secrets 2\n{"key":"k","version":1,"recipients":{},"removed":{},"secrets":{"db":{"value":7,"by":"hand"}}}',
  ])('by one that holds no secrets is refused in words: %j', async (text) => {
    const files = operator();
    const { identity } = await openSecrets(files);
    await forge(files, identity.recipient, text);
    expect(await refusal(openSecrets(files))).toMatchObject({ code: 'secrets-identity', hint: 'Restore it from a copy.' });
  });
});

describe('a file of the first format', () => {
  it('is read, known again, and written in the new one, which the former Cellwise refuses', async () => {
    const files = operator();
    const { identity } = await openSecrets(files);
    await forge(files, identity.recipient, JSON.stringify({ db: 'A'.repeat(32), own: 'by hand' }));
    const store = await openSecrets(files);
    expect([store.get('db').reveal(), store.about('db')!.by, store.about('own')!.by]).toEqual(['A'.repeat(32), 'cellwise', 'hand']);
    store.get('new');
    await store.save();
    const text = await textOf(files);
    expect(() => JSON.parse(text) as unknown).toThrow();
    expect((await openSecrets(files)).get('own').reveal()).toBe('by hand');
    // Not a second time.
    await forge(files, identity.recipient, JSON.stringify({ db: 'chosen' }));
    expect(await refusal(openSecrets(files))).toMatchObject({ code: 'secrets-untrusted' });
  });
});

describe('operators', () => {
  it('are added and shut out; who is shut out can neither read nor write what comes after', async () => {
    const { files: ann, store } = await made();
    const [bob, eve] = [operator(ann.file), operator(ann.file)];
    for (const files of [bob, eve]) {
      const own = await openSecrets({ ...files, file: join(newDirectory(), 'none') });
      addRecipient(store, own.identity.recipient);
    }
    await store.save();
    const fingerprint = store.fingerprint();

    // A new operator asks a colleague once, and leaves a proof for other computers at the first write.
    for (const files of [bob, eve]) {
      expect(await refusal(openSecrets(files))).toMatchObject({
        code: 'secrets-untrusted',
        message: expect.stringContaining(fingerprint) as string,
      });
      await openSecrets(files, { accept: fingerprint });
    }
    const bobs = await openSecrets(bob);
    bobs.set('smtp', "bob's");
    await bobs.save();
    expect((await openSecrets(ann)).get('smtp').reveal()).toBe("bob's");
    expect((await openSecrets(elsewhere(bob))).get('smtp').reveal()).toBe("bob's");

    // Eve keeps what she could read, the key with which files are known among it.
    const kept = await textOf(eve);
    const anns = await openSecrets(ann);
    removeRecipient(anns, (await readIdentity(eve.identity)).recipient);
    await anns.save();
    expect(anns.fingerprint()).not.toBe(fingerprint);
    expect(await refusal(openSecrets(eve))).toMatchObject({
      code: 'secrets-identity',
      message: expect.stringMatching(/does not open/) as string,
    });
    await openSecrets(bob, { accept: anns.fingerprint() });
    await forge(ann, anns.identity.recipient, kept.replace(/"version": \d+/, '"version": 99'));
    expect(await refusal(openSecrets(ann))).toMatchObject({ code: 'secrets-untrusted' });
    await forge(ann, (await readIdentity(bob.identity)).recipient, kept.replace(/"version": \d+/, '"version": 99'));
    expect(await refusal(openSecrets(bob))).toMatchObject({ code: 'secrets-untrusted' });
  });

  it('cannot be what is none, or be shut out by themselves', async () => {
    const { store } = await made();
    for (const recipient of ['', 'age1', 'ssh-ed25519 AAAA', `${store.identity.recipient}q`])
      expect(() => {
        addRecipient(store, recipient);
      }).toThrow(/is no age recipient/);
    expect(() => {
      addRecipient(store, store.identity.recipient);
    }).toThrow(/already/);
    expect(() => {
      removeRecipient(store, store.identity.recipient);
    }).toThrow(/shut yourself out/);
  });
});

describe('writers at the same time', () => {
  it('lose nothing, and agree on what each of them would have made', async () => {
    const root = newDirectory();
    const inventory = join(root, 'lab.yaml');
    cpSync('inventories/lab.yaml', inventory);
    const run = (words: string[], input = ''): Promise<Ended> => cellwise([...words, '-i', inventory], { input });
    const names = Array.from({ length: 10 }, (_, i) => `own.${i}`);
    const all = await Promise.all([
      run(['secrets', 'init']),
      run(['secrets', 'init']),
      ...names.map((name) => run(['secrets', 'set', name], `value of ${name}\n`)),
    ]);
    for (const { code, err } of all) expect(code, err).toBe(0);
    const files = {
      file: join(root, 'lab.secrets.age'),
      identity: join(root, '.cellwise/lab/identity'),
      directory: join(root, '.cellwise/lab'),
    };
    const store = await openSecrets(files);
    expect(names.map((name) => store.get(name).reveal())).toEqual(names.map((name) => `value of ${name}`));
    expect(store.unsaved()).toEqual([]);
    expect(store.has('keystone.admin_password')).toBe(true);
    expect((await run(['secrets', 'init'])).out).toMatch(/^Nothing was missing/);
  });

  it('take the value of whoever made it first', async () => {
    const files = operator();
    const [one, two] = [await openSecrets(files), await openSecrets(files)];
    const first = one.get('db').reveal();
    expect(two.get('db').reveal()).not.toBe(first);
    expect(await one.save()).toBe(false);
    expect(await two.save()).toBe(true);
    expect(two.get('db').reveal()).toBe(first);
  });

  it('are not kept waiting by one that was killed', async () => {
    const { files, store } = await made();
    const script = `import { locked } from './src/secrets/lock.ts'; await locked(${JSON.stringify(files.directory)}, () => { console.log('held'); return new Promise((done) => setTimeout(done, 60_000)); });`;
    const holder = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
    await new Promise((held) => holder.stdout.once('data', held));
    store.rotate('db');
    let done = false;
    const saving = store.save().then(() => (done = true));
    await new Promise((passed) => setTimeout(passed, 300));
    expect(done).toBe(false);
    holder.kill('SIGKILL');
    await saving;
    expect((await openSecrets(files)).get('db').reveal()).toBe(store.get('db').reveal());
  });
});

/** Runs `cellwise` on a terminal, and types an answer each time that a colon asks for one. */
async function typed(
  words: readonly string[],
  answers: readonly string[],
  env: Record<string, string> = {},
): Promise<{ code: number; screen: string }> {
  let asked = 0;
  const run = onTerminal([process.execPath, 'src/cli/main.ts', ...words], {
    env,
    seen: (screen) => {
      if (screen.split(/: (?=\r?\n|$)/).length - 1 > asked && asked < answers.length) run.type(`${answers[asked++]!}\r`);
    },
  });
  return { code: await run.ended, screen: run.shown() };
}

describe('on a terminal', () => {
  function inventory(): string {
    const file = join(newDirectory(), 'lab.yaml');
    cpSync('inventories/lab.yaml', file);
    return file;
  }
  const show = (file: string, env = {}): Promise<Ended> => cellwise(['secrets', 'show', 'smtp', '-i', file], { env });

  it('a value is typed twice and not seen', async () => {
    const file = inventory();
    const set = await typed(['secrets', 'set', 'smtp', '-i', file], ['hünter 2$', 'hünter 2$']);
    expect(set.code).toBe(0);
    expect(set.screen).toMatch(/^Value of smtp: \r?\n+Once more: \r?\n+smtp is kept/);
    expect(set.screen).not.toContain('nter');
    expect((await show(file)).out).toBe('hünter 2$\n');
    const other = await typed(['secrets', 'set', 'smtp', '-i', file], ['one', 'two']);
    expect([other.code, other.screen]).toEqual([3, expect.stringMatching(/The two are not the same/)]);
    expect(await typed(['secrets', 'set', 'smtp', '-i', file], ['\u0003'])).toMatchObject({ code: 130 });
    expect((await show(file)).out).toBe('hünter 2$\n');
  });

  it('an identity gets a passphrase, which is asked for, or read from a file that is closed to others', async () => {
    const file = inventory();
    const identity = join(file, '../.cellwise/lab/identity');
    expect((await cellwise(['secrets', 'set', 'smtp', '-i', file], { input: 'x\n' })).code).toBe(0);
    expect(await typed(['secrets', 'passphrase', '-i', file], ['open sesame', 'open sesame'])).toMatchObject({ code: 0 });
    const sealed = readFileSync(identity, 'utf8');
    expect([sealed.includes('AGE-SECRET-KEY'), statSync(identity).mode & 0o777]).toEqual([false, 0o600]);
    // As `age -p` makes them.
    expect(Buffer.from(armor.decode(sealed)).toString('latin1')).toMatch(/^age-encryption\.org\/v1\n-> scrypt \S+ 18\n/);

    const asked = await typed(['secrets', 'show', 'smtp', '-i', file], ['open sesame']);
    expect([asked.code, asked.screen]).toEqual([0, expect.stringMatching(/^Passphrase of .*identity: \r?\n+x\r\n$/)]);
    const wrong = await typed(['secrets', 'show', 'smtp', '-i', file], ['open barley']);
    expect([wrong.code, wrong.screen]).toEqual([3, expect.stringMatching(/The passphrase does not open/)]);

    const word = join(newDirectory(), 'word');
    writeFileSync(word, 'open sesame\n', { mode: 0o600 });
    writeFileSync(join(word, '../open'), 'open sesame\n', { mode: 0o644 });
    expect((await show(file, { CELLWISE_PASSPHRASE_FILE: join(word, '../open') })).err).toContain('chmod 600');

    expect((await cellwise(['secrets', 'passphrase', 'remove', '-i', file], { env: { CELLWISE_PASSPHRASE_FILE: word } })).code).toBe(0);
    expect((await show(file)).out).toBe('x\n');
  });

  it('nobody can be asked without one', async () => {
    const file = inventory();
    expect((await cellwise(['secrets', 'set', 'smtp', '-i', file], { input: 'x' })).code).toBe(0);
    writeFileSync(join(file, '../.cellwise/lab/identity'), 'age-encryption.org/v1\n-> scrypt');
    const child = spawn('setsid', ['--wait', process.execPath, 'src/cli/main.ts', 'secrets', 'show', 'smtp', '-i', file]);
    let err = '';
    child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
    expect(await new Promise((done) => child.on('close', done))).toBe(3);
    expect(err).toMatch(/there is no terminal.*\n.*CELLWISE_PASSPHRASE_FILE/);
  });
});

describe('an inventory', () => {
  const hosts = `networks: {management: {cidr: 127.0.0.0/8}}
hosts:
  ctl1: {address: 127.0.0.2, kind: controller, ssh: {port: 9}}
`;
  const withSudo = `cloud: {name: asks, release: "2025.1", services: [keystone]}
ssh:
  user: admin
  sudo: {password: {secret: sudo-password}}
${hosts}`;

  it('that names a password which only people know is refused until it has one; none is made up', async () => {
    const file = join(newDirectory(), 'asks.yaml');
    writeFileSync(file, withSudo);
    expect((await cellwise(['validate', '-i', file])).code).toBe(0);
    expect((await cellwise(['secrets', 'init', '-i', file])).code).toBe(0);
    for (const command of [['plan'], ['apply', '--yes'], ['validate']]) {
      const { code, out, err } = await cellwise([...command, '-i', file]);
      expect([code, out]).toEqual([3, '']);
      expect(err).toMatch(/asks\.yaml:4:\d+: error ssh\.sudo\.password names the secret sudo-password, which has no value yet/);
      expect(err).toContain(`cellwise secrets set sudo-password -i ${file}`);
    }
    expect((await cellwise(['secrets', 'show', 'sudo-password', '-i', file])).code).toBe(3);
    expect((await cellwise(['secrets', 'set', 'sudo-password', '-i', file], { input: 'x\n' })).code).toBe(0);
    expect((await cellwise(['validate', '-i', file])).code).toBe(0);
  });

  it('does not get the secrets of another cloud of the same operator', async () => {
    const root = newDirectory();
    for (const name of ['prod', 'stage']) {
      writeFileSync(join(root, `${name}.yaml`), `cloud: {name: ${name}, release: "2025.1", services: [keystone]}\n${hosts}`);
    }
    const identity = join(root, 'identity');
    const run = (name: string, ...words: string[]): Promise<Ended> =>
      cellwise([...words, '-i', join(root, `${name}.yaml`)], { env: { CELLWISE_IDENTITY: identity } });
    expect((await run('stage', 'secrets', 'init')).code).toBe(0);
    cpSync(join(root, 'stage.secrets.age'), join(root, 'prod.secrets.age'));
    const refused = await run('prod', 'plan');
    expect([refused.code, refused.err]).toEqual([3, expect.stringMatching(/holds the secrets of the cloud stage, and .* describes prod/)]);
    // Unless that is what its name is now.
    const fingerprint = /accept ([0-9a-f]{32})/.exec(refused.err)![1]!;
    expect((await run('prod', 'secrets', 'accept', fingerprint)).code).toBe(0);
    expect(await run('prod', 'secrets', 'init')).toMatchObject({ code: 0, out: expect.stringMatching(/^Nothing was missing/) as string });
  });

  it('under another file name does not get other secrets for the same cloud', async () => {
    const root = newDirectory();
    const [file, renamed] = [join(root, 'one.yaml'), join(root, 'renamed.yaml')];
    writeFileSync(file, `cloud: {name: same, release: "2025.1", services: [keystone]}\n${hosts}`);
    expect((await cellwise(['secrets', 'init', '-i', file])).code).toBe(0);
    cpSync(file, renamed);
    const refused = await cellwise(['plan', '-i', renamed]);
    expect([refused.code, refused.err]).toEqual([
      3,
      expect.stringMatching(/describes the cloud same, whose secrets are in .*one\.secrets\.age/),
    ]);
    // The inventory may be gone; then the secrets themselves tell.
    rmSync(file);
    const again = await cellwise(['secrets', 'init', '-i', renamed]);
    expect(again.code).toBe(3);
    expect([existsSync(join(root, 'renamed.secrets.age')), existsSync(join(root, '.cellwise/renamed'))]).toEqual([false, false]);
    // What it says to do does it.
    const steps = /hint Was the inventory renamed\? (mv .*?)\. Is it/.exec(again.err)![1]!;
    await new Promise((done) => spawn('sh', ['-c', steps]).on('close', done));
    expect(await cellwise(['secrets', 'init', '-i', renamed])).toMatchObject({
      code: 0,
      out: expect.stringMatching(/^Nothing was missing/) as string,
    });
  });
});
