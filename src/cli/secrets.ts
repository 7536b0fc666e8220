import { existsSync, readFileSync } from 'node:fs';
import { Invalid, nearest } from '../base/problem.ts';
import { openSecrets, type SecretStore } from '../secrets/store.ts';
import { placesOf, planOf, readCloud } from './cloud.ts';
import { exits } from './exit.ts';
import { say } from './output.ts';
import type { Options } from './options.ts';

export async function secrets([action, name]: readonly string[], options: Options): Promise<number> {
  const places = placesOf(options.inventory);
  const existed = existsSync(places.secrets.file);
  if (action !== 'init' && !existed)
    throw new Invalid([
      {
        code: 'no-secrets',
        message: `There are no secrets yet: ${places.secrets.file} is missing`,
        hint: 'Make them by `cellwise secrets init`.',
      },
    ]);
  const store = await openSecrets(places.secrets);
  switch (action) {
    case 'init':
      // Working out the plan asks for every secret that the cloud needs.
      planOf(readCloud(options.inventory), store);
      await store.save();
      say(
        options,
        `${existed ? 'Completed' : 'Made'} ${places.secrets.file}: ${store.names().length} secrets. Its key is ${places.secrets.identity}: keep a copy.`,
      );
      return exits.done;
    case 'show':
      // The only text that is meant to show one.
      // eslint-disable-next-line no-restricted-syntax
      process.stdout.write(`${store.get(known(store, name)).reveal()}\n`);
      return exits.done;
    case 'set':
      store.set(named(name), readValue());
      await store.save();
      say(options, `${name!} is kept. \`cellwise apply\` brings it to whatever uses it.`);
      return exits.done;
    case 'rotate':
      store.rotate(known(store, name));
      await store.save();
      say(options, `${name!} has a new value. \`cellwise apply\` brings it to whatever uses it.`);
      return exits.done;
    default:
      throw new Invalid([
        { code: 'usage', message: `secrets knows no "${action!}"`, hint: 'It knows init, show NAME, set NAME and rotate NAME.' },
      ]);
  }
}

function known(store: SecretStore, name: string | undefined): string {
  if (name !== undefined && store.has(name)) return name;
  const near = name === undefined ? undefined : nearest(name, store.names());
  throw new Invalid([
    {
      code: 'unknown-secret',
      message: name === undefined ? 'Which secret?' : `There is no secret "${name}"`,
      hint: near === undefined ? `There are: ${store.names().join(', ')}.` : `Did you mean "${near}"?`,
    },
  ]);
}

function named(name: string | undefined): string {
  if (name !== undefined) return name;
  throw new Invalid([{ code: 'unknown-secret', message: 'Which secret?', hint: 'cellwise secrets set NAME <file' }]);
}

/** A value comes by standard input, where no process list shows it; the newline at its end is not part of it. */
function readValue(): string {
  return readFileSync(0, 'utf8').replace(/\n$/, '');
}
