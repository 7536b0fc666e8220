// Other users of the deployer's computer: they can write to /tmp, lay links in the way, and read what is not closed.
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  closeSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { describe, expect, it, vi } from 'vitest';
import { Invalid } from '../../src/base/problem.ts';
import { openJournal } from '../../src/engine/journal.ts';
import { openLedger } from '../../src/engine/ledger.ts';
import { appendPrivate, privateDirectory, writePrivate } from '../../src/private/private.ts';
import { Identities } from '../../src/ssh/identities.ts';
import { generateKey } from '../../src/ssh/key.ts';
import { cellwise } from '../cli/process.ts';
import { newDirectory } from '../roles/directories.ts';

vi.setConfig({ testTimeout: 60_000 });

const nobody = 65_534;
const asRoot = process.geteuid!() === 0;
const mode = (file: string): string => (statSync(file).mode & 0o777).toString(8);

function refusal(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    expect(error).toBeInstanceOf(Invalid);
    const { message, hint = '' } = (error as Invalid).problems[0]!;
    return `${message}. ${hint}`;
  }
  throw new Error('nothing was refused');
}

describe('compiled code', () => {
  /** A cache of this program in which one module does something else first. */
  async function forged(evil: string): Promise<{ cache: string; tmp: string }> {
    const tmp = newDirectory();
    chmodSync(tmp, 0o1777);
    const cache = join(tmp, 'node-compile-cache');
    expect((await cellwise(['--version'], { env: { NODE_COMPILE_CACHE: cache } })).code).toBe(0);
    const entries = join(cache, readdirSync(cache)[0]!);
    const found = readdirSync(entries).filter((name) => {
      const file = join(entries, name);
      const bytes = readFileSync(file);
      const body = bytes.subarray(20);
      if (!body.includes('export async function main(')) return false;
      const text = Buffer.concat([Buffer.from(evil), body]);
      const header = Buffer.from(bytes.subarray(0, 20));
      header.writeUInt32LE(text.length, 8);
      header.writeUInt32LE(crc32(text), 16);
      writeFileSync(file, Buffer.concat([header, text]));
      return true;
    });
    expect(found).toHaveLength(1);
    return { cache, tmp };
  }

  it('that somebody else left in /tmp is not run', async () => {
    const owned = join(newDirectory(), 'owned');
    const { cache, tmp } = await forged(`import{writeFileSync as w}from'node:fs';w(${JSON.stringify(owned)},'');`);
    const home = newDirectory();
    const env = { TMPDIR: tmp, HOME: home, XDG_CACHE_HOME: undefined, NODE_COMPILE_CACHE: undefined };
    expect(await cellwise(['--version'], { env })).toMatchObject({ code: 0, err: '' });
    expect(existsSync(owned)).toBe(false);
    expect([mode(join(home, '.cache')), mode(join(home, '.cache/cellwise'))]).toEqual(['700', '700']);
    expect(readdirSync(join(home, '.cache/cellwise'))).toHaveLength(1);
    // That it would have been, had Node been told to take it.
    expect((await cellwise(['--version'], { env: { ...env, NODE_COMPILE_CACHE: cache } })).code).toBe(0);
    expect(existsSync(owned)).toBe(true);
  });

  it.each<[string, (cache: string) => void]>([
    [
      'a link',
      (cache) => {
        symlinkSync(newDirectory(), cache);
      },
    ],
    [
      'open to others',
      (cache) => {
        mkdirSync(cache);
        chmodSync(cache, 0o777);
      },
    ],
    [
      "somebody else's",
      (cache) => {
        mkdirSync(cache);
        if (asRoot) chownSync(cache, nobody, nobody);
        else chmodSync(cache, 0o777);
      },
    ],
    [
      'in a directory that others can change',
      (cache) => {
        mkdirSync(cache);
        chmodSync(join(cache, '..'), 0o777);
      },
    ],
  ])('is not kept where it is not safe: %s', async (_, spoil) => {
    const xdg = join(newDirectory(), 'cache');
    mkdirSync(xdg);
    spoil(join(xdg, 'cellwise'));
    const ended = await cellwise(['--version'], { env: { XDG_CACHE_HOME: xdg, NODE_COMPILE_CACHE: undefined } });
    expect(ended).toMatchObject({ code: 0, err: '' });
    expect(readdirSync(join(xdg, 'cellwise'))).toEqual([]);
  });
});

describe('a directory of our own', () => {
  it('is made for its owner alone, and kept out of git', () => {
    const root = newDirectory();
    privateDirectory(join(root, '.cellwise/lab/runs'));
    expect(['.cellwise', '.cellwise/lab', '.cellwise/lab/runs'].map((each) => mode(join(root, each)))).toEqual(['700', '700', '700']);
    expect(readFileSync(join(root, '.cellwise/.gitignore'), 'utf8')).toBe('*\n');
  });

  it('is closed when it was left open', () => {
    const root = newDirectory();
    const lab = join(root, '.cellwise/lab');
    mkdirSync(lab, { recursive: true });
    chmodSync(lab, 0o777);
    privateDirectory(lab);
    expect(mode(lab)).toBe('700');
  });

  it.each(['.cellwise', '.cellwise/lab'])('is not taken from a link at %s', (name) => {
    const [root, elsewhere] = [newDirectory(), newDirectory()];
    mkdirSync(join(root, name, '..'), { recursive: true });
    symlinkSync(elsewhere, join(root, name));
    expect(refusal(() => openJournal(join(root, '.cellwise/lab/runs'), 'run'))).toMatch(/is not a directory/);
    expect(
      refusal(() => {
        openLedger(join(root, '.cellwise/lab/upgrade.jsonl')).write({ type: 'finished' });
      }),
    ).toMatch(/is not a directory/);
    expect(readdirSync(elsewhere)).toEqual([]);
  });

  it.runIf(asRoot)('is not taken from somebody else', () => {
    const lab = join(newDirectory(), '.cellwise/lab');
    mkdirSync(lab, { recursive: true });
    chownSync(lab, nobody, nobody);
    expect(refusal(() => openJournal(lab, 'run'))).toMatch(/lab belongs to another user \(uid 65534\)\. .*chown 0 /);
    expect(readdirSync(lab)).toEqual([]);
  });

  it('that is none of ours is refused when others can write to it', () => {
    const root = newDirectory();
    chmodSync(root, 0o777);
    expect(refusal(() => appendPrivate(join(root, 'x')))).toContain(`chmod go-w ${root}`);
  });
});

describe('a file of our own', () => {
  it('is written for its owner alone, whatever its mode was, and leaves nothing beside', () => {
    const root = newDirectory();
    const file = join(root, 'tonight.plan');
    writeFileSync(file, 'old', { mode: 0o644 });
    writePrivate(file, 'new');
    expect([readFileSync(file, 'utf8'), mode(file), readdirSync(root)]).toEqual(['new', '600', ['tonight.plan']]);
  });

  it('is not written through a link, whoever appends or replaces', () => {
    const root = newDirectory();
    const [target, link] = [join(root, 'target'), join(root, 'link')];
    writeFileSync(target, 'precious');
    symlinkSync(target, link);
    expect(
      refusal(() => {
        writePrivate(link, 'x');
      }),
    ).toMatch(/is not a plain file/);
    expect(refusal(() => appendPrivate(link))).toMatch(/is a link/);
    expect([readFileSync(target, 'utf8'), lstatSync(link).isSymbolicLink()]).toEqual(['precious', true]);
    // A device, such as /dev/stdout, must not become a file.
    expect(
      refusal(() => {
        writePrivate('/dev/null', 'x');
      }),
    ).toMatch(/is not a plain file/);
  });

  it('is closed when it is appended to', () => {
    const file = join(newDirectory(), 'upgrade.jsonl');
    writeFileSync(file, '', { mode: 0o644 });
    closeSync(appendPrivate(file));
    expect(mode(file)).toBe('600');
  });

  it('is not left half-written when it cannot be put in place', () => {
    const root = newDirectory();
    expect(() => {
      writePrivate(join(root, 'gone/x'), 'x');
    }).toThrow(/ENOENT/);
    expect(readdirSync(root)).toEqual([]);
  });
});

describe('a key', () => {
  const offers = (path: string) =>
    new Identities().offers({ name: 'h', address: '127.0.0.1', user: 'root', identities: [path], agent: null }, true);

  it('for SSH that others can read is not used, and the message says what to do', async () => {
    const file = join(newDirectory(), 'id');
    writeFileSync(file, generateKey('test').privateKey, { mode: 0o600 });
    expect(await offers(file)).toMatchObject({ offers: [{}], problems: [] });
    chmodSync(file, 0o640);
    expect(await offers(file)).toMatchObject({ offers: [], problems: [expect.stringMatching(/mode 640\): chmod 600 .*id$/)] });
    writeFileSync(`${file}.pub`, generateKey('test').publicKey, { mode: 0o644 });
    expect((await offers(`${file}.pub`)).problems.join()).toMatch(/public key whose private key no agent has/);
  });

  it('that opens the secrets must be readable by its owner alone', async () => {
    const root = newDirectory();
    const inventory = join(root, 'lab.yaml');
    cpSync('inventories/lab.yaml', inventory);
    const show = () => cellwise(['secrets', 'show', 'keystone.admin_password', '-i', inventory]);
    expect((await cellwise(['secrets', 'init', '-i', inventory])).code).toBe(0);
    const identity = join(root, '.cellwise/lab/identity');
    chmodSync(identity, 0o644);
    const refused = await show();
    expect(refused).toMatchObject({ code: 3, out: '' });
    expect(refused.err).toContain(`chmod 600 ${identity}`);
    chmodSync(identity, 0o600);
    expect((await show()).code).toBe(0);
    if (!asRoot) return;
    chownSync(identity, nobody, nobody);
    expect((await show()).err).toContain('belongs to another user');
  });
});

describe('git', () => {
  const git = (cwd: string, ...words: string[]): string => execFileSync('git', words, { cwd, encoding: 'utf8' });

  it('is never given the identity, by `add -A` after `init` or after the first secret', async () => {
    const root = newDirectory();
    git(root, 'init', '-q');
    expect((await cellwise(['init', root])).code).toBe(0);
    const inventory = join(root, 'inventory.yaml');
    cpSync('inventories/lab.yaml', inventory);
    expect((await cellwise(['secrets', 'init', '-i', inventory])).code).toBe(0);
    git(root, 'add', '-A');
    expect(git(root, 'diff', '--cached', '--name-only').trim().split('\n')).toEqual(['inventory.secrets.age', 'inventory.yaml']);
    expect(existsSync(join(root, '.cellwise/inventory/identity'))).toBe(true);
    // Without `init`, the first secret says it.
    renameSync(join(root, '.cellwise'), join(newDirectory(), 'moved'));
    const other = join(root, 'other.yaml');
    writeFileSync(other, readFileSync(inventory, 'utf8').replace(/^ {2}name: lab$/m, '  name: other'));
    expect((await cellwise(['secrets', 'init', '-i', other])).code).toBe(0);
    git(root, 'add', '-A');
    const staged = git(root, 'diff', '--cached', '--name-only');
    expect(staged).toContain('other.secrets.age');
    expect(staged).not.toContain('.cellwise');
  });
});
