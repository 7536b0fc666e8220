import { fingerprint, Secret } from '../base/secret.ts';
import type { SecretStore } from './store.ts';

/** Secrets that exist in memory only, for what shows or checks a cloud without its hosts: the same for each name. */
export function placeholders(): SecretStore {
  const made = new Map<string, Secret>();
  const get = (name: string): Secret => made.get(name) ?? made.set(name, Secret.of(name, fingerprint('placeholder', name))).get(name)!;
  return {
    get,
    has: () => true,
    names: () => [...made.keys()],
    set: () => undefined,
    rotate: () => undefined,
    unsaved: () => [],
    save: () => Promise.resolve(),
  };
}
