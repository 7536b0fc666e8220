import type { Host } from '../inventory/types.ts';
import type { RoleListener } from '../roles/role.ts';
import { evaluate, TemplateError, type Context } from '../roles/template.ts';

/** Ports that are open on a host, those between `first` and `last`, and who may come to them: what a firewall is to know. */
export interface Listener extends Pick<RoleListener, 'protocol' | 'network' | 'from' | 'purpose' | 'encrypted'> {
  readonly host: string;
  readonly role: string;
  readonly first: number;
  readonly last: number;
}

/** What a role opens on a host, where its params are these. */
export function listenerOf(role: string, host: Host, written: RoleListener, params: Context): Listener {
  const { protocol, network, from, purpose, encrypted } = written;
  const shared = { protocol, network, from, purpose, ...(encrypted ? { encrypted } : {}) };
  return { host: host.name, role, ...portsOf(written, params), ...shared };
}

/** The ports that are meant. Throws TemplateError. */
export function portsOf({ port }: RoleListener, params: Context): Pick<Listener, 'first' | 'last'> {
  const text = String(typeof port === 'string' ? evaluate(port, params) : port);
  const [first = NaN, last = first] = text.split('-').map(Number);
  if (!(first >= 1 && first <= last && last <= 65535)) throw new TemplateError(`"${text}" is neither a port nor a range of ports`);
  return { first, last };
}
