import { spawn } from 'node:child_process';
import { rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Emit } from '../base/event.ts';
import { Invalid, type Problem } from '../base/problem.ts';
import { ensureCache } from './cache.ts';
import { attachDisks, detachDisks, diskLink } from './disks.ts';
import { docker, read, requireEngine } from './docker.ts';
import { ensureImage } from './image.ts';
import { ensureKey } from './key.ts';
import { machineArguments, untilReady } from './machine.ts';
import { differing, layOut, occupied, type Attachment, type Interface, type LabHost, type LabSpec, type Layout } from './layout.ts';

/** The label that all containers and networks of a lab carry, with the lab's name as its value. */
const labLabel = 'cellwise.lab';
const hostLabel = 'cellwise.host';
const layoutLabel = 'cellwise.layout';
const directoryLabel = 'cellwise.directory';
const disksLabel = 'cellwise.disks';
/** So many machines are created and booted at once. */
const atOnce = 8;

/** A machine of a lab that is up. */
export interface LabMachine {
  readonly host: string;
  readonly address: string;
  readonly container: string;
  /** `ssh-ed25519 AAAA…` */
  readonly hostKey: string;
  /** What `up` had to do for it. */
  readonly was: 'created' | 'started' | 'running';
}

/** What Docker knows of a host's container. */
export interface LabStatus {
  readonly host: string;
  /** undefined: there is no container. */
  readonly container: string | undefined;
  readonly up: boolean;
  /** In Docker's words: `Up 5 minutes`, `Exited (0) 2 hours ago`. */
  readonly text: string;
}

/** Where a lab keeps the key that its machines accept, and the keys by which they are known. */
export function labFiles(directory: string): { identity: string; knownHosts: string } {
  return { identity: join(directory, 'id_ed25519'), knownHosts: join(directory, 'known_hosts') };
}

/**
 * Brings a machine up for every host, with its name and addresses. What is up already stays as it is; what is stopped is
 * started; nothing is made anew. Writes the key and the known_hosts file (see labFiles).
 */
export async function up(spec: LabSpec, emit: Emit): Promise<LabMachine[]> {
  const layout = layOut(spec);
  await requireEngine();
  const found = await containers(spec.name);
  refuseOthers(spec, found);
  refuseDifferences(spec, layout, found);
  const progress = (text: string): void => {
    emit({ type: 'note', text });
  };
  const image = await ensureImage('trixie', progress);
  const cache = await ensureCache(progress);
  const key = await ensureKey(spec.directory, `cellwise-lab-${spec.name}`);
  await ensureNetworks(spec, layout, emit);
  await attachDisks(spec.directory, spec.hosts);
  tellLeftOvers(spec, found, image, emit);
  const machines = await inParallel(spec.hosts, (host) =>
    bringUp(
      { spec, host, attachments: layout.attachments.get(host.name)!, image, cache, publicKey: key.publicKey },
      found.get(host.name),
      emit,
    ),
  );
  await writeFile(labFiles(spec.directory).knownHosts, machines.map(knownHostsLine).join(''));
  return machines;
}

/** Removes a lab: its containers with what is on them, its disks, its networks, and the known_hosts file. The key stays. */
export async function down(spec: Pick<LabSpec, 'name' | 'directory'>, emit: Emit): Promise<void> {
  await requireEngine();
  const found = await containers(spec.name);
  refuseOthers(spec, found);
  const ids = [...found.values()].map(({ id }) => id);
  const networks = await list('network', spec.name, '{{.ID}}');
  emit({ type: 'note', text: `removing the lab ${spec.name}: ${ids.length} × machine, ${networks.length} × network` });
  if (ids.length > 0) await docker(['rm', '--force', '--volumes', ...ids]);
  if (networks.length > 0) await docker(['network', 'rm', ...networks]);
  await detachDisks(spec.directory);
  await rm(labFiles(spec.directory).knownHosts, { force: true });
}

/** Which hosts of a lab are up. */
export async function status(spec: Pick<LabSpec, 'name' | 'hosts'>): Promise<LabStatus[]> {
  await requireEngine();
  const found = await containers(spec.name);
  return spec.hosts.map(({ name }) => {
    const container = found.get(name);
    return { host: name, container: container?.name, up: container?.running ?? false, text: container?.text ?? 'not there' };
  });
}

/**
 * Opens a root shell on a host, or runs a command there, with this process's terminal; resolves with the exit code. A bare
 * machine has no ssh client: then the way in is `docker exec`.
 */
export async function ssh(spec: LabSpec, hostName: string, args: readonly string[], emit: Emit): Promise<number> {
  const host = spec.hosts.find(({ name }) => name === hostName);
  if (!host) throw new Invalid([{ code: 'unknown-host', message: `${hostName} is not a host of the lab ${spec.name}` }]);
  const code = await runInTerminal('ssh', sshArguments(spec, host, args));
  if (code !== 'missing') return code;
  emit({ type: 'note', host: host.name, text: 'there is no ssh client on this machine; going in by docker exec' });
  const tty = process.stdin.isTTY ? ['--tty'] : [];
  const command = args.length > 0 ? ['sh', '-c', args.join(' ')] : ['bash', '-l'];
  const fallback = await runInTerminal('docker', ['exec', '--interactive', ...tty, containerName(spec, host), ...command]);
  return fallback === 'missing' ? 127 : fallback;
}

/** The command line of the system's ssh client; a command's words are joined by blanks, as ssh itself does. */
export function sshArguments(spec: LabSpec, host: LabHost, args: readonly string[]): string[] {
  const { identity, knownHosts } = labFiles(spec.directory);
  const options = [`IdentityFile="${identity}"`, 'IdentitiesOnly=yes', `UserKnownHostsFile="${knownHosts}"`, 'LogLevel=ERROR'];
  return ['-F', 'none', ...options.flatMap((option) => ['-o', option]), `root@${host.address}`, ...args];
}

function runInTerminal(command: string, args: readonly string[]): Promise<number | 'missing'> {
  return new Promise((settle, reject) => {
    spawn(command, args, { stdio: 'inherit' })
      .on('error', (error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT') settle('missing');
        else reject(error);
      })
      .on('close', (code) => {
        settle(code ?? 130);
      });
  });
}

// --- machines ----------------------------------------------------------------------------------------------------------

interface Order {
  readonly spec: LabSpec;
  readonly host: LabHost;
  readonly attachments: readonly Attachment[];
  readonly image: string;
  readonly cache: string | undefined;
  readonly publicKey: string;
}

async function bringUp(order: Order, found: Container | undefined, emit: Emit): Promise<LabMachine> {
  const { spec, host } = order;
  const start = performance.now();
  const container = containerName(spec, host);
  if (!found) await create(order, container);
  if (!found?.running) await docker(['start', container]);
  const hostKey = await docker(['exec', container, 'sh', '-c', untilReady(order.publicKey, order.cache)]);
  const was = found ? (found.running ? 'running' : 'started') : 'created';
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  emit({ type: 'note', host: host.name, text: was === 'running' ? `${host.name} is up` : `${host.name} ${was} in ${seconds} s` });
  return { host: host.name, address: host.address, container, hostKey, was };
}

async function create(order: Order, container: string): Promise<void> {
  await docker(createArguments(order, container));
  for (const { network, address } of order.attachments.slice(1)) await docker(['network', 'connect', '--ip', address, network, container]);
}

/** The arguments of `docker` that create a host's container, connected to its first network. */
export function createArguments({ spec, host, attachments, image }: Order, container: string): string[] {
  const [first] = attachments;
  return [
    ...['create', '--name', container, '--hostname', host.name, '--network', first!.network, '--ip', first!.address],
    ...labels({ [labLabel]: spec.name, [directoryLabel]: resolve(spec.directory) }),
    ...labels({ [hostLabel]: host.name, [layoutLabel]: describe(attachments), [disksLabel]: devicesOf(host).join(',') }),
    // The machine renames its interfaces at each boot, by their addresses.
    ...[
      '--env',
      `LAB_LINKS=${attachments
        .map(({ address, link }) => `${address}=${link}`)
        .toReversed()
        .join(' ')}`,
    ],
    ...machineArguments(),
    ...devicesOf(host).flatMap((device) => ['--device', `${diskLink(spec.directory, host.name, device)}:${device}`]),
    image,
  ];
}

function labels(all: Readonly<Record<string, string>>): string[] {
  return Object.entries(all).flatMap(([label, value]) => ['--label', `${label}=${value}`]);
}

function describe(attachments: readonly Attachment[]): string {
  return attachments.map(({ network, address }) => `${network}=${address}`).join(',');
}

function devicesOf(host: LabHost): string[] {
  return host.disks.map(({ device }) => device);
}

function containerName(spec: Pick<LabSpec, 'name'>, host: Pick<LabHost, 'name'>): string {
  return `cellwise-${spec.name}-${host.name}`;
}

function knownHostsLine({ host, address, hostKey }: LabMachine): string {
  return `${address},${host} ${hostKey}\n`;
}

async function inParallel<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  const queue = items.entries();
  // The lanes share one iterator: each takes the next item when it is done with its last.
  const lane = async () => {
    for (const [i, item] of queue) results[i] = await work(item);
  };
  await Promise.all(Array.from({ length: atOnce }, lane));
  return results;
}

// --- networks ----------------------------------------------------------------------------------------------------------

async function ensureNetworks(spec: LabSpec, layout: Layout, emit: Emit): Promise<void> {
  const there = new Set(await list('network', spec.name, '{{.Name}}'));
  const missing = layout.networks.filter(({ name }) => !there.has(name));
  // Node's own list leaves out what nothing is plugged into, as is the bridge of a lab whose machines are stopped.
  const interfaces = JSON.parse((await read('ip', ['-json', '-4', 'address'])) || '[]') as Interface[];
  const taken = occupied(missing, interfaces);
  if (taken.length > 0) throw new Invalid(taken);
  for (const { name, cidr, gateway } of missing) {
    emit({ type: 'note', text: `making the network ${name}, ${cidr}` });
    await docker(['network', 'create', '--subnet', cidr, '--gateway', gateway, '--label', `${labLabel}=${spec.name}`, name]);
  }
}

// --- what is there -----------------------------------------------------------------------------------------------------

interface Container {
  readonly id: string;
  readonly name: string;
  readonly running: boolean;
  readonly text: string;
  readonly image: string;
  readonly layout: string;
  readonly directory: string;
  readonly disks: readonly string[];
}

/** The containers of a lab by host name. */
async function containers(lab: string): Promise<Map<string, Container>> {
  const labelFields = [layoutLabel, directoryLabel, hostLabel, disksLabel].map((label) => `.Label "${label}"`);
  const fields = ['.ID', '.Names', '.State', '.Status', '.Image', ...labelFields];
  const rows = await list('container', lab, fields.map((field) => `{{${field}}}`).join('\t'));
  return new Map(
    rows.map((row) => {
      const [id = '', name = '', state = '', text = '', image = '', layout = '', directory = '', host = '', disks = ''] = row.split('\t');
      return [host, { id, name, running: state === 'running', text, image, layout, directory, disks: disks.split(',') }];
    }),
  );
}

async function list(kind: 'container' | 'network', lab: string, format: string): Promise<string[]> {
  const all = kind === 'container' ? ['--all'] : [];
  const rows = await docker([kind, 'ls', ...all, '--filter', `label=${labLabel}=${lab}`, '--format', format]);
  return rows === '' ? [] : rows.split('\n');
}

/** Two inventories, or two clones of one, may give their clouds the same name; each has a key of its own. */
function refuseOthers(spec: Pick<LabSpec, 'name' | 'directory'>, found: ReadonlyMap<string, Container>): void {
  const other = [...found.values()].find(({ directory }) => directory !== resolve(spec.directory));
  if (!other) return;
  const message = `A lab named ${spec.name} is up already; it belongs to ${other.directory}`;
  const byHand = `docker rm -f $(docker ps -aq -f label=${labLabel}=${spec.name})`;
  throw new Invalid([
    { code: 'lab-elsewhere', message, hint: `Take it down from there, or give this cloud another name; by hand: ${byHand}` },
  ]);
}

/** Addresses and disks cannot be changed under a machine, and making it anew would throw away what is on it: that is for people to say. */
function refuseDifferences(spec: LabSpec, layout: Layout, found: ReadonlyMap<string, Container>): void {
  const was = new Map([...found].map(([host, container]) => [host, container.layout]));
  const is = new Map([...layout.attachments].map(([host, attachments]) => [host, describe(attachments)]));
  const lacking = spec.hosts.filter((host) => devicesOf(host).some((device) => found.get(host.name)?.disks.includes(device) === false));
  const hint = 'Run `cellwise lab down`, then `cellwise lab up`; what is on the machines is lost.';
  const problems: Problem[] = [
    ...differing(was, is).map((host) => `The lab ${spec.name} is up with other addresses for ${host} than the inventory has now`),
    ...lacking.map(({ name }) => `The lab ${spec.name} is up, and ${name} lacks disks that the inventory gives it now`),
  ].map((message) => ({ code: 'lab-differs', message, hint }));
  if (problems.length > 0) throw new Invalid(problems);
}

function tellLeftOvers(spec: LabSpec, found: ReadonlyMap<string, Container>, image: string, emit: Emit): void {
  const wanted = new Set(spec.hosts.map(({ name }) => name));
  for (const [host, container] of found) {
    if (!wanted.has(host)) emit({ type: 'note', host, text: `${host} is in the lab, but no longer in the inventory; lab down removes it` });
    else if (container.image !== image) emit({ type: 'note', host, text: `${host} is of an older image, ${container.image}; it stays` });
  }
}
