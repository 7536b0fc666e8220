import { existsSync } from 'node:fs';
import { Invalid, nearest } from '../base/problem.ts';
import type { ProblemCode } from '../base/problem-codes.ts';
import { secretUses, type SecretUse } from '../plan/secrets.ts';
import { count } from '../report/words.ts';
import { addRecipient, remove, removeRecipient, undo } from '../secrets/edits.ts';
import { makeIdentity, protect, readIdentity } from '../secrets/identity.ts';
import { openSecrets, type SecretsFile } from '../secrets/store.ts';
import { openCloud, placesOf, planOf, readCloud } from './cloud.ts';
import { exits } from './exit.ts';
import { openSecretsOf, stamp } from './open-secrets.ts';
import type { Options } from './options.ts';
import { print, say } from './output.ts';
import { askPassphrase, askTwice } from './prompt.ts';
import { listLines } from './secret-list.ts';
import { readValue } from './secret-value.ts';

/** What one action has in hand. */
interface Desk {
  readonly secrets: SecretsFile;
  readonly words: readonly string[];
  readonly options: Options;
}

const actions: Readonly<Record<string, (desk: Desk) => void | Promise<void>>> = {
  list: ({ secrets, options }) => {
    void print(
      listLines(secrets, usesOf(options), options.json === true)
        .map((line) => `${line}\n`)
        .join(''),
    );
  },
  show: ({ secrets, words: [name] }) => {
    // The only text that is meant to show one.
    // eslint-disable-next-line no-restricted-syntax
    process.stdout.write(`${secrets.get(known(secrets, name)).reveal()}\n`);
  },
  set,
  rotate,
  undo: async ({ secrets, words: [given], options }) => {
    const name = known(secrets, given);
    if (!undo(secrets, name))
      throw refused(
        'secret-protected',
        `${name} has no former value`,
        'One is kept from `set` or `rotate` until an apply of the whole cloud has gone well.',
      );
    await secrets.save();
    say(options, `${name} has its former value again. \`cellwise apply\` brings it to whatever uses it.`);
  },
  remove: async ({ secrets, words: [given], options }) => {
    const name = known(secrets, given);
    const use = usesOf(options).get(name);
    if (use && !options.force)
      throw refused(
        'secret-protected',
        `${name} is used by ${[...use.by].join(', ')}`,
        'With --force it is removed, and the next plan makes another.',
      );
    remove(secrets, name);
    await secrets.save();
    say(options, `${name} is removed.`);
  },
  recipients,
  passphrase,
};

export async function secrets([action = '', ...words]: readonly string[], options: Options): Promise<number> {
  if (action === 'init') return init(options);
  if (action === 'identity') return ownIdentity(options);
  if (action !== 'accept' && !Object.hasOwn(actions, action))
    throw refused(
      'usage',
      `secrets knows no "${action}"`,
      `It knows init, identity, accept, ${Object.keys(actions).join(', ')}: cellwise secrets --help`,
    );
  const places = placesOf(options.inventory).secrets;
  if (!existsSync(places.file) && action !== 'set')
    throw refused('no-secrets', `There are no secrets yet: ${places.file} is missing`, 'Make them by `cellwise secrets init`.');
  if (action === 'accept') return accept(words[0], options);
  const opened = await (action === 'set'
    ? openSecretsOf(readCloud(options), options.inventory)
    : openSecrets(places, { passphrase: askPassphrase }));
  await actions[action]!({ secrets: opened, words, options });
  return exits.done;
}

async function init(options: Options): Promise<number> {
  const places = placesOf(options.inventory).secrets;
  const existed = existsSync(places.file);
  const cloud = openCloud(options);
  const store = await openSecretsOf(cloud, options.inventory);
  // Working out the plan asks for every secret that the cloud needs.
  planOf(cloud, store);
  const made = store.unsaved().length;
  await store.save();
  const all = count(store.names().length, 'secret');
  if (existed && made === 0) say(options, `Nothing was missing: ${places.file} holds ${all}.`);
  else say(options, `${existed ? `Added ${made} to` : 'Made'} ${places.file}: ${all}. Its key is ${places.identity}: keep a copy.`);
  return exits.done;
}

/** For who is to open secrets that others keep. */
async function ownIdentity(options: Options): Promise<number> {
  const { identity } = placesOf(options.inventory).secrets;
  if (!existsSync(identity)) {
    await makeIdentity(identity);
    say(options, `Made ${identity}: keep a copy. An operator lets it open the secrets by: cellwise secrets recipients add PUBLIC-KEY`);
  }
  await print(`${(await readIdentity(identity, askPassphrase)).recipient}\n`);
  return exits.done;
}

async function accept(fingerprint: string | undefined, options: Options): Promise<number> {
  if (fingerprint === undefined)
    throw refused('usage', 'Which fingerprint?', 'Ask whoever wrote the file: `cellwise secrets recipients` prints it there.');
  const places = placesOf(options.inventory).secrets;
  const { name } = readCloud(options).inventory.cloud;
  const store = await openSecrets(places, { passphrase: askPassphrase, accept: fingerprint });
  if (store.contents().cloud !== name) {
    stamp(store, name);
    await store.save();
  }
  say(options, `${places.file} is accepted as it is now.`);
  return exits.done;
}

async function set({ secrets: store, words: [name], options }: Desk): Promise<void> {
  if (name === undefined) throw refused('unknown-secret', 'Which secret?', 'cellwise secrets set NAME');
  const use = usesOf(options).get(name);
  if (isPermanent(use) && store.has(name) && !options.force)
    throw refused(
      'secret-protected',
      `${name} has to stay as it is. ${descriptionOf(use)}`,
      'Only when you restore the value that the cloud has: --force.',
    );
  store.set(name, await readValue(name, use));
  await store.save();
  say(options, `${name} is kept. ${use ? '`cellwise apply` brings it to whatever uses it.' : 'Nothing in this inventory uses it.'}`);
}

async function rotate({ secrets: store, words: [given], options }: Desk): Promise<void> {
  const name = known(store, given);
  const use = usesOf(options).get(name);
  if (isPermanent(use)) throw refused('secret-protected', `${name} has to stay as it is. ${descriptionOf(use)}`, 'Nothing was changed.');
  if (store.about(name)!.by === 'hand' && !options.force)
    throw refused(
      'secret-protected',
      `${name} was set by hand: a random value would not be what it is elsewhere`,
      `cellwise secrets set ${name} gives it another; with --force it gets a random one.`,
    );
  store.rotate(name);
  await store.save();
  say(
    options,
    `${name} has a new value. \`cellwise apply\` brings it to whatever uses it; until then, \`cellwise secrets undo ${name}\` takes it back.`,
  );
}

async function recipients({ secrets: store, words: [action, recipient = ''], options }: Desk): Promise<void> {
  if (action === undefined) {
    const own = store.identity.recipient;
    const all = [...store.contents().recipients.keys()].map((each) => `${each}${each === own ? '  (this identity)' : ''}`);
    await print([...all, `fingerprint ${store.fingerprint()}`, ''].join('\n'));
    return;
  }
  if (action === 'add') {
    addRecipient(store, recipient);
    await store.save();
    say(options, `${recipient} can open the secrets from now on. Tell its holder the fingerprint: ${store.fingerprint()}`);
  } else if (action === 'remove') {
    removeRecipient(store, recipient);
    await store.save();
    say(options, leftOpen(store, options));
  } else
    throw refused('usage', `secrets recipients knows no "${action}"`, 'It knows add RECIPIENT and remove RECIPIENT; alone it lists them.');
}

/** What somebody who is shut out still knows. */
function leftOpen(store: SecretsFile, options: Options): string {
  const uses = usesOf(options);
  const rotated = store.names().filter((name) => store.about(name)!.by === 'cellwise' && !isPermanent(uses.get(name)));
  const rest = store.names().filter((name) => !rotated.includes(name));
  return [
    'What is written from now on, they cannot open. They have seen every secret so far, and git keeps the old file.',
    ...(rotated.length > 0 ? ['Rotate these, then apply:', ...rotated.map((name) => `  cellwise secrets rotate ${name}`)] : []),
    ...(rest.length > 0 ? [`These are set by hand, or must never change: ${rest.join(', ')}`] : []),
    `Tell the other operators the new fingerprint, which they have to accept: ${store.fingerprint()}`,
  ].join('\n');
}

async function passphrase({ secrets: store, words: [action], options }: Desk): Promise<void> {
  const { identity } = placesOf(options.inventory).secrets;
  if (action === 'remove') {
    await protect(identity, store.identity, undefined);
    say(options, `${identity} opens the secrets without a passphrase now.`);
    return;
  }
  if (action !== undefined) throw refused('usage', `secrets passphrase knows no "${action}"`, 'It knows remove.');
  const word = await askTwice('New passphrase');
  if (word === '') throw refused('secret-value', 'The passphrase is empty', '`cellwise secrets passphrase remove` takes one away.');
  await protect(identity, store.identity, word);
  say(options, `${identity} is protected by a passphrase now. Copies of it are not.`);
}

function usesOf(options: Options): ReadonlyMap<string, SecretUse> {
  const { inventory, roles } = readCloud(options);
  return secretUses(inventory, roles);
}

function isPermanent(use: SecretUse | undefined): use is SecretUse {
  return use?.params.some(({ permanent }) => permanent === true) ?? false;
}

function descriptionOf({ params }: SecretUse): string {
  return params.find(({ permanent }) => permanent === true)?.description ?? '';
}

function known(store: SecretsFile, name: string | undefined): string {
  if (name !== undefined && store.has(name)) return name;
  const near = name === undefined ? undefined : nearest(name, store.names());
  throw refused(
    'unknown-secret',
    name === undefined ? 'Which secret?' : `There is no secret "${name}"`,
    near === undefined ? '`cellwise secrets list` shows all.' : `Did you mean "${near}"?`,
  );
}

function refused(code: ProblemCode, message: string, hint: string): Invalid {
  return new Invalid([{ code, message, hint }]);
}
