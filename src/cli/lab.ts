import { dirname, relative } from 'node:path';
import type { Emit } from '../base/event.ts';
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
      const machines = await labs.up(spec, output.emit);
      tellWayIn(inventory, labs.labFiles(spec.directory), output.emit);
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

/** An inventory that names other keys than the lab's would find every host unreachable. */
function tellWayIn(inventory: Inventory, { identity, knownHosts }: ReturnType<typeof labs.labFiles>, emit: Emit): void {
  if (inventory.hosts.every(({ ssh }) => ssh.identity === identity && ssh.knownHosts === knownHosts)) return;
  const [ours, known] = [identity, knownHosts].map((path) => relative(dirname(inventory.file), path));
  emit({ type: 'note', text: `to be let in, the inventory must say ssh: {user: root, identity: ${ours!}, known_hosts: ${known!}}` });
}

function specOf(inventory: Inventory, file: string): LabSpec {
  return {
    name: inventory.cloud.name,
    directory: placesOf(file).directory,
    networks: Object.values(inventory.networks).map(({ name, cidr }) => ({ name, cidr })),
    hosts: inventory.hosts.map(({ name, address, addresses, disks }) => ({ name, address, addresses, disks })),
  };
}
