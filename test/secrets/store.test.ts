import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { mask } from '../../src/base/mask.ts';
import { Invalid } from '../../src/base/problem.ts';
import { placeholders } from '../../src/secrets/placeholders.ts';
import { openSecrets, type SecretFiles } from '../../src/secrets/store.ts';
import { newDirectory } from '../roles/directories.ts';

function files(): SecretFiles {
  const directory = newDirectory();
  return { file: join(directory, 'lab.secrets.age'), identity: join(directory, 'keys', 'identity') };
}

const mode = (file: string): string => (statSync(file).mode & 0o7777).toString(8);

async function refusal(work: () => Promise<unknown>): Promise<Invalid> {
  try {
    await work();
  } catch (error) {
    expect(error).toBeInstanceOf(Invalid);
    return error as Invalid;
  }
  throw new Error('nothing was refused');
}

describe('secrets', () => {
  it('are made when they are missing, and stay what they are', async () => {
    const store = await openSecrets(files());
    const first = store.get('keystone.db_password');
    expect(first.reveal()).toMatch(/^[A-Za-z0-9]{32}$/);
    expect(store.get('keystone.db_password').reveal()).toBe(first.reveal());
    expect(store.get('other').reveal()).not.toBe(first.reveal());
    expect(store.has('keystone.db_password')).toBe(true);
    expect(store.has('constructor')).toBe(false);
    expect(store.names()).toEqual(['keystone.db_password', 'other']);
    expect(store.unsaved()).toEqual(['keystone.db_password', 'other']);
    expect(first.shown).toBe('‹secret keystone.db_password›');
    expect(inspect(store, { depth: 9, showHidden: true })).not.toContain(first.reveal());
  });

  it('use the whole alphabet', async () => {
    const store = await openSecrets(files());
    const all = Array.from({ length: 60 }, (_, i) => store.get(String(i)).reveal());
    expect(new Set(all).size).toBe(60);
    expect(new Set(all.join('')).size).toBe(62);
  });

  it('are saved encrypted, for their owner alone, and reopened the same', async () => {
    const places = files();
    const store = await openSecrets(places);
    const value = store.get('db').reveal();
    expect(existsSync(places.file)).toBe(false);
    await store.save();
    expect(store.unsaved()).toEqual([]);

    const saved = readFileSync(places.file, 'utf8');
    expect(saved).toMatch(/^-----BEGIN AGE ENCRYPTED FILE-----\n/);
    for (const hidden of [value, Buffer.from(value).toString('base64'), 'db"']) expect(saved).not.toContain(hidden);
    expect([mode(places.file), mode(places.identity), mode(join(places.identity, '..'))]).toEqual(['600', '600', '700']);
    expect(readdirSync(join(places.file, '..')).toSorted()).toEqual(['keys', 'lab.secrets.age']);

    const again = await openSecrets(places);
    expect(again.get('db').reveal()).toBe(value);
    expect(again.unsaved()).toEqual([]);
  });

  it('a file that others could read is closed when it is saved', async () => {
    const places = files();
    const store = await openSecrets(places);
    writeFileSync(`${places.file}.new`, 'left by a run that was cut off');
    chmodSync(`${places.file}.new`, 0o644);
    store.get('db');
    await store.save();
    expect(mode(places.file)).toBe('600');
    expect((await openSecrets(places)).has('db')).toBe(true);
  });

  it('get a new value by rotate, saved with the others', async () => {
    const places = files();
    const store = await openSecrets(places);
    const [db, other] = [store.get('db').reveal(), store.get('other').reveal()];
    await store.save();
    store.rotate('db');
    expect(store.get('db').reveal()).toMatch(/^[A-Za-z0-9]{32}$/);
    expect(store.get('db').reveal()).not.toBe(db);
    expect(store.unsaved()).toEqual(['db']);
    // Until it is saved, the file holds the old one.
    expect((await openSecrets(places)).get('db').reveal()).toBe(db);
    await store.save();
    const again = await openSecrets(places);
    expect([again.get('db').reveal(), again.get('other').reveal()]).toEqual([store.get('db').reveal(), other]);
  });

  it.each(['__proto__', 'constructor', 'toString', 'a b', 'ü', ''])('can have any name: %j', async (name) => {
    const places = files();
    const store = await openSecrets(places);
    const value = store.get(name).reveal();
    expect(value).toMatch(/^[A-Za-z0-9]{32}$/);
    expect(store.names()).toEqual([name]);
    await store.save();
    expect((await openSecrets(places)).get(name).reveal()).toBe(value);
  });
});

describe('secrets that cannot be opened', () => {
  const made = async (): Promise<SecretFiles> => {
    const places = files();
    const store = await openSecrets(places);
    store.get('db');
    await store.save();
    return places;
  };

  it.each<[string, (places: SecretFiles) => SecretFiles | Promise<SecretFiles>, RegExp]>([
    ['the identity is missing', (places) => ({ ...places, identity: `${places.identity}.gone` }), /identity .*gone is missing/],
    ['the identity is another one', async (places) => ({ ...places, identity: (await made()).identity }), /does not open/],
    [
      'the identity’s file holds none',
      (places) => {
        writeFileSync(places.identity, '# nothing\n');
        return places;
      },
      /holds no age identity/,
    ],
    [
      'the identity is damaged',
      (places) => {
        writeFileSync(places.identity, readFileSync(places.identity, 'utf8').slice(0, -10));
        return places;
      },
      /identity/,
    ],
    [
      'the file is damaged',
      (places) => {
        writeFileSync(places.file, readFileSync(places.file, 'utf8').replace(/[A-Z]/g, 'A'));
        return places;
      },
      /does not open/,
    ],
    [
      'the file is something else',
      (places) => {
        writeFileSync(places.file, 'hello\n');
        return places;
      },
      /does not open/,
    ],
    [
      'the file is empty',
      (places) => {
        writeFileSync(places.file, '');
        return places;
      },
      /does not open/,
    ],
  ])('%s', async (_, spoil, message) => {
    const places = await spoil(await made());
    const { problems } = await refusal(() => openSecrets(places));
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatchObject({ code: 'secrets-identity', message: expect.stringMatching(message) as string });
    expect(problems[0]!.hint).toMatch(/\.$/);
    expect(problems[0]!.message).not.toMatch(/\n|AGE-SECRET/);
    expect(JSON.stringify(problems)).not.toContain('AGE-SECRET-KEY-1');
  });

  it('a damaged identity does not make a new file either', async () => {
    const places = files();
    mkdirSync(join(places.identity, '..'), { recursive: true });
    writeFileSync(places.identity, 'AGE-SECRET-KEY-1NONSENSE\n');
    await refusal(async () => {
      const store = await openSecrets(places);
      store.get('db');
      await store.save();
    });
    expect(existsSync(places.file)).toBe(false);
  });

  it('refusing changes nothing', async () => {
    const places = await made();
    const before = readFileSync(places.file, 'utf8');
    await refusal(async () => openSecrets({ ...places, identity: `${places.identity}.gone` }));
    expect(existsSync(`${places.identity}.gone`)).toBe(false);
    expect(readFileSync(places.file, 'utf8')).toBe(before);
  });
});

describe('mask', () => {
  it('knows what is made, and what is changed later', async () => {
    const store = await openSecrets(files());
    expect(mask(`a ${store.get('db').reveal()}`)).toBe('a ‹secret db›');
    store.set('own', 'a value of my own');
    expect(mask('it was a value of my own!')).toBe('it was ‹secret own›!');
    store.rotate('own');
    expect(mask(store.get('own').reveal())).toBe('‹secret own›');
  });
});

describe('placeholders', () => {
  it('are each their own name, and save nothing', async () => {
    const store = placeholders();
    expect(store.get('a').shown).toBe('‹secret a›');
    expect(store.get('a').reveal()).not.toBe(store.get('b').reveal());
    expect([store.has('anything'), store.unsaved(), store.names()]).toEqual([true, [], ['a', 'b']]);
    await store.save();
  });
});
