import { join } from 'node:path';
import { CommandFailed, docker } from '../src/lab/docker.ts';
import { down, labFiles, up } from '../src/lab/lab.ts';
import type { LabSpec } from '../src/lab/layout.ts';
import { formatAddress, parseAddress } from '../src/base/ipv4.ts';
import { cloud, groundScript, spoilScript } from './steps.ts';

/** Away from the networks of other labs. */
export const network = '10.96.0.0/22';
const first = parseAddress('10.96.1.11')!;

export interface BenchHost {
  readonly name: string;
  readonly address: string;
  /** `ssh-ed25519 AAAA…` */
  readonly hostKey: string;
  /** Full id of its container. */
  readonly container: string;
}

export interface Fleet {
  readonly hosts: readonly BenchHost[];
  readonly identity: string;
  readonly knownHosts: string;
  /** Spoils on all hosts what the changing run has to mend. */
  readonly spoil: () => Promise<void>;
}

/** `directory`: where the lab's key is kept; always the same, so that a run can clear away what a killed one left. */
export async function bringUp(count: number, directory: string, say: (text: string) => void): Promise<Fleet> {
  const spec = specOf(count, directory);
  await takeDown(directory, say);
  const machines = await up(spec, (event) => {
    if (event.type === 'note' && event.host === undefined) say(event.text);
  });
  say(`${machines.length} machines are up; installing Python on them, which Ansible needs`);
  await onAll(spec, pythonScript);
  await onAll(spec, groundScript);
  const ids = await docker(['inspect', '--format', '{{.Id}}', ...machines.map(({ container }) => container)]);
  const containers = ids.split('\n');
  return {
    hosts: machines.map(({ host, address, hostKey }, i) => ({ name: host, address, hostKey, container: containers[i]! })),
    ...labFiles(spec.directory),
    spoil: () => onAll(spec, spoilScript),
  };
}

/** Removes the machines and their network. A network that Docker does not let go of stays, and is used again by the next run. */
export async function takeDown(directory: string, say: (text: string) => void): Promise<void> {
  const spec = { name: cloud, directory: join(directory, 'lab') };
  await down(spec, (event) => {
    if (event.type === 'note') say(event.text);
  }).catch((error: unknown) => {
    say(error instanceof CommandFailed ? [error.message, ...error.lines].join('\n') : String(error));
  });
}

// python3-apt is what Ansible's apt module would otherwise install in the middle of its first run.
const pythonScript = `export DEBIAN_FRONTEND=noninteractive
apt-get -qq update && apt-get -qq install --no-install-recommends -y python3-minimal python3-apt >/dev/null`;

function specOf(count: number, directory: string): LabSpec {
  return {
    name: cloud,
    directory: join(directory, 'lab'),
    networks: [{ name: 'management', cidr: network }],
    hosts: Array.from({ length: count }, (_, i) => ({ name: `host${i + 1}`, address: formatAddress(first + i), disks: [] })),
  };
}

async function onAll(spec: LabSpec, script: string): Promise<void> {
  await Promise.all(spec.hosts.map(({ name }) => docker(['exec', `cellwise-${spec.name}-${name}`, 'sh', '-c', script])));
}
