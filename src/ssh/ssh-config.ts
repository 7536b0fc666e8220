import SSHConfig from 'ssh-config';
import { algorithmsFor, type Wishes } from './algorithms.ts';
import { readDirectives, type Directives } from './directives.ts';
import type { SshTarget } from './target.ts';

/** What values in ssh_config may refer to. */
export interface Local {
  readonly home: string;
  readonly user: string;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/**
 * Fills what `target` leaves open from the text of an OpenSSH client configuration; what the target says itself wins. Words
 * that OpenSSH would heed and this does not are in `unheeded`. Nothing is run.
 */
export function resolve(target: SshTarget, config: string, local: Local): SshTarget {
  return fill(target, SSHConfig.parse(config), local, 0);
}

function fill(target: SshTarget, config: SSHConfig, local: Local, depth: number): SshTarget {
  const said = readDirectives(config, { host: target.name, user: target.user, localUser: local.user });
  const address = target.address ?? said.one('hostname')?.replaceAll('%h', target.name);
  const user = target.user ?? said.one('user');
  const expand = (path: string) => expandPath(path, { ...local, host: address ?? target.name, remoteUser: user ?? 'root' });
  const files = (word: string) =>
    said
      .all(word)
      ?.filter((path) => path !== 'none')
      .map(expand);
  const found: { readonly [Key in keyof SshTarget]?: SshTarget[Key] | undefined } = {
    address,
    user,
    port: target.port ?? number(said.one('port')),
    identities: target.identities ?? some(files('identityfile')),
    identitiesOnly: /^yes$/i.test(said.one('identitiesonly') ?? '') || undefined,
    agent: target.agent === undefined ? agentOf(said.one('identityagent'), expand, local) : target.agent,
    userKnownHosts: files('userknownhostsfile'),
    globalKnownHosts: files('globalknownhostsfile'),
    revokedHostKeys: some(files('revokedhostkeys')),
    algorithms: wishesOf(said),
    bastion: target.bastion ?? bastionOf(said.one('proxyjump'), target, config, local, depth),
    unheeded: some(said.unheeded),
  };
  return { ...target, ...Object.fromEntries(Object.entries<unknown>(found).filter(([, value]) => value !== undefined)) };
}

function wishesOf(said: Directives): Wishes | undefined {
  const words = { kex: 'kexalgorithms', ciphers: 'ciphers', macs: 'macs', hostKeys: 'hostkeyalgorithms' };
  const wishes: Wishes = Object.fromEntries(
    Object.entries(words).flatMap(([name, word]) => {
      const value = said.one(word);
      return value === undefined ? [] : [[name, value]];
    }),
  );
  // Throws where nothing would be left.
  algorithmsFor([], wishes);
  return Object.keys(wishes).length > 0 ? wishes : undefined;
}

/** `ProxyJump a,b`: a first, then b, then the host; so b is the host's bastion and a is b's. */
function bastionOf(jumps: string | undefined, target: SshTarget, config: SSHConfig, local: Local, depth: number): SshTarget | undefined {
  if (jumps === undefined || jumps === 'none') return undefined;
  // A configuration in which a jump host jumps over itself has no end.
  if (depth >= 4) throw new Error(`ProxyJump of ${target.name} leads in a circle`);
  let bastion: SshTarget | undefined;
  for (const jump of jumps.split(',')) {
    const parsed = parseJump(jump.trim());
    const inherited = { ...(target.passphrase && { passphrase: target.passphrase }) };
    bastion = fill({ ...inherited, ...parsed, ...(bastion && { bastion }) }, config, local, depth + 1);
  }
  return bastion;
}

function parseJump(text: string): SshTarget {
  const match = /^(?:ssh:\/\/)?(?:([^@]+)@)?(\[[^\]]+\]|[^:]+)(?::(\d+))?$/.exec(text);
  const [, user, host = text, port] = match ?? [];
  return { name: host.replace(/^\[|\]$/g, ''), ...(user !== undefined && { user }), ...(port !== undefined && { port: Number(port) }) };
}

/** Undefined is the agent of this login. */
function agentOf(value: string | undefined, expand: (path: string) => string, { env }: Local): string | null | undefined {
  if (value === undefined || value === 'SSH_AUTH_SOCK') return undefined;
  if (value === 'none') return null;
  return value.startsWith('$') && !value.startsWith('${') ? (env[value.slice(1)] ?? null) : expand(value);
}

interface Names extends Local {
  readonly host: string;
  readonly remoteUser: string;
}

/** `~`, variables of the environment, and OpenSSH's tokens %d, %u, %h, %r. */
function expandPath(path: string, names: Names): string {
  const tokens: Record<string, string> = { '%d': names.home, '%u': names.user, '%h': names.host, '%r': names.remoteUser, '%%': '%' };
  return path
    .replace(/^~(?=\/|$)/, names.home)
    .replaceAll(/%[duhr%]/g, (token) => tokens[token] ?? token)
    .replaceAll(/\$\{(\w+)\}/g, (whole, name: string) => names.env[name] ?? whole);
}

function some<T>(list: readonly T[] | undefined): readonly T[] | undefined {
  return list !== undefined && list.length > 0 ? list : undefined;
}

function number(text: string | undefined): number | undefined {
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined;
}
