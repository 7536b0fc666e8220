// Real machines for tests: containers of the lab's image, through testcontainers. As vitest's globalSetup this file makes
// the image and removes what interrupted runs left behind.
import { createHash, randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { GenericContainer, Wait } from 'testcontainers';
import { ensureCache } from '../src/lab/cache.ts';
import { detachDisks } from '../src/lab/disks.ts';
import { docker } from '../src/lab/docker.ts';
import { ensureImage } from '../src/lab/image.ts';
import { ensureKey } from '../src/lab/key.ts';
import { capabilities, devices, securityOptions, tmpfs, untilReady } from '../src/lab/machine.ts';

// testcontainers' own clean-up is a container of an image that no mirror here has; ours is `sweep`.
process.env['TESTCONTAINERS_RYUK_DISABLED'] = 'true';

const runLabel = 'cellwise.test';
const runVariable = 'CELLWISE_TEST_RUN';

/** A Debian machine with a running systemd and sshd. */
export interface Machine {
  /** Its hostname. */
  readonly name: string;
  /** Reachable from here. */
  readonly address: string;
  readonly port: number;
  /** Path of the private key that root accepts. */
  readonly identity: string;
  /** `ssh-ed25519 AAAA…` */
  readonly hostKey: string;
  /** Its container, for what only Docker can do to a machine: pause, stop, cut from the network. */
  readonly container: string;
  /** Runs a shell script as root on the machine, past SSH. */
  exec(script: string): Promise<{ code: number; out: string; err: string }>;
  stop(): Promise<void>;
}

/**
 * Starts a machine; about a second. `name` becomes its hostname; `image` is one that was made of a machine; `disks` are
 * devices of the real machine by their names there.
 */
export async function startMachine(
  options: { release?: string; name?: string; image?: string; disks?: Readonly<Record<string, string>> } = {},
): Promise<Machine> {
  const name = options.name ?? `host-${randomBytes(3).toString('hex')}`;
  const [image, cache, key] = await Promise.all([options.image ?? imageOf(options.release ?? 'trixie'), packageCache(), testKey()]);
  const container = await new MachineContainer(image, options.disks ?? {})
    .withHostname(name)
    .withLabels({ [runLabel]: testRun() })
    .start();
  const exec = async (script: string) => {
    const { exitCode, stdout, stderr } = await container.exec(['sh', '-c', script]);
    return { code: exitCode, out: stdout, err: stderr };
  };
  const stop = async () => {
    await container.stop({ timeout: 0, remove: true, removeVolumes: true });
  };
  const ready = await exec(untilReady(key.publicKey, cache));
  if (ready.code !== 0) {
    await stop();
    throw new Error(`A test machine did not boot: ${ready.err}`);
  }
  const address = container.getIpAddress('bridge');
  return { name, address, port: 22, identity: key.identity, hostKey: ready.out.trim(), container: container.getId(), exec, stop };
}

/**
 * The image of a machine called `name` on which a script has run, e.g. one that installs packages: made once for a script
 * and the machine that it runs on.
 */
export async function imageAfter(name: string, script: string): Promise<string> {
  const base = await imageOf('trixie');
  const tag = `cellwise-test:${name}-${createHash('sha256').update(base).update(script).digest('hex').slice(0, 8)}`;
  if ((await docker(['image', 'ls', '--quiet', tag])) !== '') return tag;
  tell(`making ${tag}: once, a few minutes`);
  const machine = await startMachine({ name });
  try {
    const { code, out, err } = await machine.exec(script);
    if (code !== 0) throw new Error(`${tag} could not be made:\n${out.slice(-2000)}${err.slice(-2000)}`);
    await docker(['commit', machine.container, tag]);
  } finally {
    await machine.stop();
  }
  return tag;
}

/** What testcontainers has no `with…` for is set on the request for the engine itself. */
class MachineContainer extends GenericContainer {
  constructor(image: string, disks: Readonly<Record<string, string>>) {
    super(image);
    // Not in testcontainers' types, but in the engine's interface.
    Object.assign(this.hostConfig, { CgroupnsMode: 'private' });
    const given = [...devices().map((path) => [path, path] as const), ...Object.entries(disks)];
    this.hostConfig.Devices = given.map(([name, path]) => ({ PathOnHost: path, PathInContainer: name, CgroupPermissions: 'rwm' }));
    this.withAddedCapabilities(...capabilities)
      .withSecurityOpt(...securityOptions)
      .withTmpFs({ ...tmpfs })
      .withWaitStrategy(Wait.forListeningPorts());
  }
}

const images = new Map<string, Promise<string>>();

function imageOf(release: string): Promise<string> {
  const image = images.get(release) ?? ensureImage(release, tell);
  images.set(release, image);
  return image;
}

let cache: Promise<string | undefined> | undefined;

function packageCache(): Promise<string | undefined> {
  return (cache ??= ensureCache(tell));
}

function testKey() {
  return ensureKey(join(import.meta.dirname, '..', '.cellwise', 'test'), 'cellwise-test');
}

/** The run that machines belong to: the process of vitest itself, which its workers know by the environment. */
export function testRun(): string {
  return process.env[runVariable] ?? String(process.pid);
}

/** vitest's globalSetup. */
export async function setup(): Promise<void> {
  process.env[runVariable] = String(process.pid);
  await imageOf('trixie');
  await packageCache();
  await testKey();
  await sweep((run) => !isAlive(Number(run)));
}

/** vitest's globalTeardown: what a failed test did not stop. */
export async function teardown(): Promise<void> {
  await sweep((run) => run === testRun());
}

async function sweep(isOver: (run: string) => boolean): Promise<void> {
  const machines = await leftOvers('container', isOver);
  const networks = await leftOvers('network', isOver);
  if (machines.length + networks.length === 0) return;
  tell(`removing ${machines.length} machines and ${networks.length} networks that were left over`);
  if (machines.length > 0) await docker(['rm', '--force', '--volumes', ...machines.map(({ id }) => id)]);
  if (networks.length > 0) await docker(['network', 'rm', ...networks.map(({ id }) => id)]);
  for (const directory of new Set(machines.flatMap(({ directory: lab }) => lab || []))) await detachDisks(directory);
}

/** Machines say their run by a label, labs of tests by their name: `test-RUN-…`, with a directory that their disks are in. */
async function leftOvers(kind: 'container' | 'network', isOver: (run: string) => boolean): Promise<{ id: string; directory: string }[]> {
  const format = `{{.ID}}\t{{.Label "${runLabel}"}}\t{{.Label "cellwise.lab"}}\t{{.Label "cellwise.directory"}}`;
  const rows = await docker([kind, 'ls', ...(kind === 'container' ? ['--all'] : []), '--format', format]);
  return rows.split('\n').flatMap((row) => {
    const [id = '', run = '', lab = '', directory = ''] = row.split('\t');
    const owner = run || /^test-(\d+)(?:-|$)/.exec(lab)?.[1];
    return owner !== undefined && isOver(owner) ? [{ id, directory }] : [];
  });
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

function tell(line: string): void {
  process.stderr.write(`[machines] ${line}\n`);
}
