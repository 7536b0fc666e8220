import type { Problem } from '../base/problem.ts';
import type { Path } from '../document/document.ts';
import type { Inventory } from './types.ts';

/** A secret that logs in to hosts: it exists already, and nobody can make it up. */
interface LoginSecret {
  readonly name: string;
  readonly path: Path;
}

/** `ssh.sudo.password`, `ssh.passphrase` and `ssh.bastion.passphrase`, at whatever level. */
const places = /(^|\n)ssh\n(sudo\npassword|(bastion\n)?passphrase)$/;

export function loginSecrets({ document }: Inventory): readonly LoginSecret[] {
  return within(document.value, []);
}

function within(value: unknown, path: Path): LoginSecret[] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return [];
  if ('secret' in value && typeof value.secret === 'string' && places.test(path.join('\n'))) return [{ name: value.secret, path }];
  return Object.entries(value).flatMap(([key, inner]) => within(inner, [...path, key]));
}

/** A problem for each that has no value. */
export function unsetSecrets(inventory: Inventory, isSet: (name: string) => boolean): Problem[] {
  return loginSecrets(inventory)
    .filter(({ name }) => !isSet(name))
    .map(({ name, path }) =>
      inventory.document.problem({
        code: 'secret-unset',
        path: [...path, 'secret'],
        at: 'value',
        message: `${path.slice(path.lastIndexOf('ssh')).join('.')} names the secret ${name}, which has no value yet`,
        hint: `Give it by: cellwise secrets set ${name} -i ${inventory.file}`,
      }),
    );
}
