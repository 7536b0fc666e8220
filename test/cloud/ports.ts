import { Secret } from '../../src/base/secret.ts';
import { readCloud } from '../../src/cli/cloud.ts';
import { expand } from '../../src/plan/expand.ts';
import type { Listener } from '../../src/plan/listeners.ts';

/** What the roles of an inventory say is open. */
export function declaredIn(file: string): readonly Listener[] {
  const { inventory, roles } = readCloud({ inventory: file });
  return expand(inventory, roles, (name) => Secret.of(name, name)).listeners();
}

/**
 * Sockets that others can reach and no role declares, from what `ss -Hltnup` prints on a host: `udp 0.0.0.0:68 dhclient`.
 * What listens on the host's loopback alone is its own business.
 */
export function undeclared(declared: readonly Listener[], host: string, ss: string): string[] {
  const open = declared.filter((one) => one.host === host && one.from.join() !== 'host');
  return ss.split('\n').flatMap((line) => {
    const [protocol, , , , local = '', , users = ''] = line.trim().split(/\s+/);
    const [, address = '', port] = /^(.*):(\d+)$/.exec(local) ?? [];
    if (port === undefined || /^(127\.|\[::1\]|\[::ffff:127\.)/.test(address)) return [];
    const known = open.some((one) => one.protocol === protocol && one.first <= Number(port) && Number(port) <= one.last);
    return known ? [] : [`${protocol!} ${local} ${/"([^"]+)"/.exec(users)?.[1] ?? 'the kernel'}`];
  });
}
