import { Invalid } from '../base/problem.ts';
import { encrypterFor } from './age-file.ts';
import { newKey, type Entry } from './contents.ts';
import type { SecretsFile } from './store.ts';

/** Gives back the value that hosts have had; false: there is no other. */
export function undo(secrets: SecretsFile, name: string): boolean {
  if (!secrets.about(name)?.former) return false;
  secrets.edit(({ secrets: all }) => {
    const former = all.get(name)?.former;
    if (former) all.set(name, former);
    return [name];
  });
  return true;
}

export function remove(secrets: SecretsFile, name: string): void {
  secrets.edit(({ secrets: all }) => {
    all.delete(name);
    return [name];
  });
}

/** Drops the values that hosts have had, once they have the new ones: those that this run has seen, and no newer ones. */
export async function forgetFormer(secrets: SecretsFile): Promise<void> {
  const applied = new Map(secrets.names().flatMap((name) => (secrets.about(name)?.former ? [[name, secrets.get(name).reveal()]] : [])));
  if (applied.size === 0) return;
  secrets.edit(({ secrets: all }) => {
    for (const [name, value] of applied) if (all.get(name)?.value === value) all.set(name, withoutFormer(all.get(name)!));
    return [...applied.keys()];
  });
  await secrets.save();
}

function withoutFormer({ value, by, changed }: Entry): Entry {
  return { value, by, ...(changed === undefined ? {} : { changed }) };
}

/** Lets the holder of another identity open the file from the next write on. Throws Invalid. */
export function addRecipient(secrets: SecretsFile, recipient: string): void {
  try {
    encrypterFor([recipient]);
  } catch {
    throw refused(
      `"${recipient}" is no age recipient`,
      'It begins with age1: `age-keygen -y IDENTITY` prints it. Never give the identity itself.',
    );
  }
  if (secrets.contents().recipients.has(recipient)) throw refused(`${recipient} can open the secrets already`, 'There is nothing to do.');
  secrets.edit(({ recipients, removed }) => {
    recipients.set(recipient, '');
    removed.delete(recipient);
    return [];
  });
}

/** Shuts one out of what is written from now on. What others know to be written by them is no longer so: the key is renewed. */
export function removeRecipient(secrets: SecretsFile, recipient: string): void {
  const { recipients } = secrets.contents();
  if (!recipients.has(recipient))
    throw refused(`"${recipient}" cannot open the secrets anyway`, '`cellwise secrets recipients` lists those who can.');
  if (recipient === secrets.identity.recipient)
    throw refused('This is your own identity: you would shut yourself out', 'Let another operator do it.');
  const key = newKey();
  secrets.edit((contents) => {
    contents.key = key;
    contents.recipients.delete(recipient);
    contents.removed.set(recipient, new Date().toISOString());
    for (const other of contents.recipients.keys()) contents.recipients.set(other, '');
    return [];
  });
}

function refused(message: string, hint: string): Invalid {
  return new Invalid([{ code: 'secrets-recipient', message, hint }]);
}
