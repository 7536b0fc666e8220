import SSHConfig from 'ssh-config';
import type { SshTarget } from './target.ts';

/** What values in ssh_config may refer to. */
export interface Local {
  readonly home: string;
  readonly user: string;
}

/**
 * Fills what `target` leaves open from the text of an OpenSSH client configuration: HostName, Port, User, IdentityFile,
 * IdentityAgent, UserKnownHostsFile, ProxyJump. What the target says itself wins. `Match exec` is never run.
 */
export function resolve(target: SshTarget, config: string, local: Local): SshTarget {
  return fill(target, SSHConfig.parse(config), local, 0);
}

function fill(target: SshTarget, config: SSHConfig, local: Local, depth: number): SshTarget {
  const values = config.compute(target.name, { ignoreCase: true, matchExec: false });
  const one = (key: string) => first(values[key]);
  const address = target.address ?? one('hostname')?.replaceAll('%h', target.name);
  const user = target.user ?? one('user');
  const port = target.port ?? number(one('port'));
  const expand = (path: string) => expandPath(path, { ...local, host: address ?? target.name, remoteUser: user ?? 'root' });
  const identities =
    target.identities ??
    some(
      all(values['identityfile'])
        .filter((path) => path !== 'none')
        .map(expand),
    );
  const agent = target.agent === undefined ? agentOf(one('identityagent'), expand) : target.agent;
  const knownHosts =
    target.knownHosts ??
    some(
      all(values['userknownhostsfile'])
        .flatMap((v) => v.split(/\s+/))
        .map(expand),
    );
  const bastion = target.bastion ?? bastionOf(one('proxyjump'), target, config, local, depth);
  return {
    ...target,
    ...(address !== undefined && { address }),
    ...(user !== undefined && { user }),
    ...(port !== undefined && { port }),
    ...(identities !== undefined && { identities }),
    ...(agent !== undefined && { agent }),
    ...(knownHosts !== undefined && { knownHosts }),
    ...(bastion !== undefined && { bastion }),
  };
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

function agentOf(value: string | undefined, expand: (path: string) => string): string | null | undefined {
  if (value === undefined || value === 'SSH_AUTH_SOCK') return undefined;
  return value === 'none' ? null : expand(value);
}

interface Names extends Local {
  readonly host: string;
  readonly remoteUser: string;
}

/** `~`, and OpenSSH's tokens %d, %u, %h, %r. */
function expandPath(path: string, names: Names): string {
  const tokens: Record<string, string> = { '%d': names.home, '%u': names.user, '%h': names.host, '%r': names.remoteUser, '%%': '%' };
  return path.replace(/^~(?=\/|$)/, names.home).replaceAll(/%[duhr%]/g, (token) => tokens[token] ?? token);
}

function first(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value;
}

function all(value: string | string[] | undefined): string[] {
  return value === undefined ? [] : Array.isArray(value) ? value : [value];
}

function some(list: string[]): string[] | undefined {
  return list.length > 0 ? list : undefined;
}

function number(text: string | undefined): number | undefined {
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined;
}
