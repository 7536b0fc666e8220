import { Secret } from '../../src/base/secret.ts';
import { readCloud } from '../../src/cli/cloud.ts';
import { expand } from '../../src/plan/expand.ts';
import type { Listener } from '../../src/plan/listeners.ts';
import type { TestCloud } from '../cli/test-cloud.ts';

/** Sockets on the hosts of a cloud that others can reach and no role declares: `ctl1 tcp 0.0.0.0:7777 python3`. */
export async function strangers(cloud: TestCloud): Promise<string[]> {
  const { inventory, roles } = readCloud({ inventory: cloud.inventory });
  const declared = expand(inventory, roles, (name) => Secret.of(name, name)).listeners();
  const found = inventory.hosts.map(async ({ name }) => {
    const open = declared.filter(({ host }) => host === name);
    return undeclared(open, await cloud.on(name, 'ss -Hltnup')).map((each) => `${name} ${each}`);
  });
  return (await Promise.all(found)).flat();
}

/** What `ss` prints, without what is declared. What listens on the host's loopback alone is its own business. */
function undeclared(declared: readonly Listener[], ss: string): string[] {
  const open = declared.filter(({ from }) => from.join() !== 'host');
  return ss.split('\n').flatMap((line) => {
    const [protocol, , , , local = '', , users = ''] = line.trim().split(/\s+/);
    const [, address = '', port] = /^(.*):(\d+)$/.exec(local) ?? [];
    if (port === undefined || /^(127\.|\[::1\]|\[::ffff:127\.)/.test(address)) return [];
    const known = open.some((one) => one.protocol === protocol && one.first <= Number(port) && Number(port) <= one.last);
    return known ? [] : [`${protocol!} ${local} ${/"([^"]+)"/.exec(users)?.[1] ?? 'the kernel'}`];
  });
}
