import { dirname, relative, resolve } from 'node:path';
import { Invalid } from '../base/problem.ts';
import type { Inventory } from '../inventory/types.ts';
import * as labs from '../lab/lab.ts';
import type { LabSpec } from '../lab/layout.ts';
import { placesOf, openCloud } from './cloud.ts';
import { exits } from './exit.ts';
import { openAudience } from './audience.ts';
import { say } from './output.ts';
import type { Options } from './options.ts';

export async function lab([action, ...words]: readonly string[], options: Options): Promise<number> {
  const { inventory } = openCloud(options);
  const spec = specOf(inventory, options.inventory);
  const output = openAudience(options, 'lab');
  switch (action) {
    case 'up': {
      refuseOther(inventory, labs.labFiles(spec.directory));
      const machines = await labs.up(spec, output.emit);
      say(options, `The lab ${spec.name} is up: ${machines.map(({ host, address }) => `${host} ${address}`).join(', ')}.`);
      return exits.done;
    }
    case 'down':
      await labs.down(spec, output.emit);
      return exits.done;
    case 'ssh':
      return labs.ssh(spec, words[0] ?? inventory.hosts[0]!.name, words.slice(1), output.emit);
    default:
      throw new Invalid([{ code: 'usage', message: `lab knows no "${action!}"`, hint: 'It knows up, down and ssh HOST [COMMAND].' }]);
  }
}

/**
 * A production inventory by mistake would lay bridges with its networks over this machine's routes. One that is meant for a
 * lab names the lab's keys, without which every host would be unreachable anyway.
 */
function refuseOther(inventory: Inventory, files: ReturnType<typeof labs.labFiles>): void {
  const [identity, knownHosts] = [resolve(files.identity), resolve(files.knownHosts)];
  if (inventory.hosts.every(({ ssh }) => ssh.identity === identity && ssh.knownHosts === knownHosts)) return;
  const [ours, known] = [identity, knownHosts].map((path) => relative(dirname(resolve(inventory.file)), path));
  throw new Invalid([
    inventory.document.problem({
      code: 'not-a-lab',
      path: ['ssh'],
      at: 'key',
      message: `${inventory.cloud.name} is no lab: its hosts are reached with keys that are not a lab's`,
      hint: `For a lab, copy the inventory and write ssh: {user: root, identity: ${ours!}, known_hosts: ${known!}}`,
    }),
  ]);
}

function specOf(inventory: Inventory, file: string): LabSpec {
  return {
    name: inventory.cloud.name,
    directory: placesOf(file).directory,
    networks: Object.values(inventory.networks).map(({ name, cidr }) => ({ name, cidr })),
    hosts: inventory.hosts.map(({ name, address, addresses, disks }) => ({ name, address, addresses, disks })),
  };
}
