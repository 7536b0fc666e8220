import { existsSync, readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { Invalid } from '../base/problem.ts';
import { readInventory } from '../inventory/read.ts';
import { openSecrets, peekSecrets, type SecretsFile } from '../secrets/store.ts';
import { placesOf, type Cloud } from './cloud.ts';
import { askPassphrase } from './prompt.ts';

/** Opens the secrets of a cloud; made when there are none, unless they are there under another name. Throws Invalid. */
export async function openSecretsOf({ inventory }: Cloud, file: string): Promise<SecretsFile> {
  const places = placesOf(file);
  const { name } = inventory.cloud;
  if (!existsSync(places.secrets.file)) await refuseElsewhere(file, name);
  const secrets = await openSecrets(places.secrets, { passphrase: askPassphrase });
  const { cloud } = secrets.contents();
  if (cloud === undefined) stamp(secrets, name);
  else if (cloud !== name) throw otherCloud(places.secrets.file, cloud, name, secrets.fingerprint());
  return secrets;
}

/** Writes down whose secrets they are, at the next write. */
export function stamp(secrets: SecretsFile, name: string): void {
  secrets.edit((contents) => {
    contents.cloud = name;
    return [];
  });
}

/** One operator can have the secrets of several clouds, and a file of one in the place of another is as genuine. */
function otherCloud(file: string, cloud: string, name: string, fingerprint: string): Invalid {
  return new Invalid([
    {
      code: 'secrets-elsewhere',
      message: `${file} holds the secrets of the cloud ${cloud}, and the inventory describes ${name}`,
      hint: `Restore the file of ${name}. If you have renamed the cloud: cellwise secrets accept ${fingerprint}`,
    },
  ]);
}

const ending = '.secrets.age';

/** Under another file name all secrets would be made anew, for a cloud that has others. */
async function refuseElsewhere(file: string, cloud: string): Promise<void> {
  const { beside, secrets, directory } = placesOf(file);
  for (const name of readdirSync(beside).filter((each) => each.endsWith(ending))) {
    const stem = name.slice(0, -ending.length);
    if ((await cloudOf(beside, stem)) !== cloud) continue;
    const other = join(beside, name);
    const own = placesOf(join(beside, `${stem}.yaml`)).directory;
    throw new Invalid([
      {
        code: 'secrets-elsewhere',
        message: `${basename(file)} describes the cloud ${cloud}, whose secrets are in ${other}`,
        hint: `Was the inventory renamed? mv ${other} ${secrets.file} && mv ${own} ${directory}. Is it another cloud? Give it another cloud.name.`,
      },
    ]);
  }
}

/** The cloud of other secrets, as they say it themselves or, if they cannot be opened, as the inventory of their name does. */
async function cloudOf(beside: string, stem: string): Promise<string | undefined> {
  const inventories = ['.yaml', '.yml'].map((each) => join(beside, `${stem}${each}`)).filter((each) => existsSync(each));
  const opened = await peekSecrets(placesOf(join(beside, `${stem}.yaml`)).secrets);
  return opened?.cloud ?? inventories.map((each) => readInventory(each).inventory?.cloud.name).find((name) => name !== undefined);
}
