import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { Invalid } from '../base/problem.ts';
import { docker, pipe, read, requireEngine } from './docker.ts';

/** Told what is going on, a line at a time. */
export type Progress = (line: string) => void;

/** A bare Debian server: what the installer leaves behind, less what needs hardware. Python is not part of it. */
const packages = [
  ...['systemd', 'systemd-sysv', 'dbus', 'libpam-systemd', 'openssh-server', 'sudo', 'iproute2', 'iputils-ping'],
  ...['ca-certificates', 'procps', 'kmod', 'netbase', 'tzdata', 'apt-utils'],
];

// By way of ../lab: what is built lies in dist/cli.
const machine = join(import.meta.dirname, '../lab/machine');
const certificateDirectory = '/usr/local/share/ca-certificates';

/** What the base image is made from; its digest is part of the image's tag, so a change makes a new one. */
export interface Recipe {
  readonly release: string;
  /** Lines for sources.list; none: mmdebstrap's own choice. */
  readonly sources: readonly string[];
  /** Settings of apt that this machine needs to reach its mirror. */
  readonly aptOptions: readonly string[];
  /** Certificates that this machine trusts beyond Debian's: its mirror may need them. */
  readonly certificates: readonly string[];
}

/**
 * Makes the image of a Debian release's machines unless it is there, from the apt mirror that this machine itself uses;
 * returns its tag. `context`: another directory whose Dockerfile makes something else of the bare Debian.
 */
export async function ensureImage(release = 'trixie', progress: Progress = () => undefined, context = machine): Promise<string> {
  await requireEngine();
  const recipe = await readRecipe(release);
  const baseDigest = await digest([recipe, packages], recipe.certificates);
  const base = `cellwise-machine:base-${release}-${baseDigest}`;
  const tag = `cellwise-${basename(context)}:${release}-${await digest(baseDigest, await filesOf(context))}`;
  if (await isThere(tag)) return tag;
  const tell = withClock(progress);
  if (!(await isThere(base))) await makeBase(recipe, base, tell);
  tell(`making ${tag}`);
  await docker(['build', '--build-arg', `base=${base}`, '--tag', tag, context]);
  return tag;
}

async function isThere(image: string): Promise<boolean> {
  return (await docker(['image', 'ls', '--quiet', image])) !== '';
}

async function makeBase(recipe: Recipe, base: string, tell: Progress): Promise<void> {
  await requireTool();
  tell(`making ${base}, a bare Debian ${recipe.release}: once, about half a minute`);
  const heartbeat = setInterval(tell, 5000, 'still working');
  try {
    const sources = await reachable(recipe.sources);
    tell(sources.length > 0 ? `packages come from ${sources.join(', ')}` : "packages come from mmdebstrap's default mirror");
    const id = await pipe(bootstrap({ ...recipe, sources }), ['docker', 'import', '-'], (line) => {
      tell(line.replace(/^I: /, ''));
    });
    // Named only now: what a failed mmdebstrap leaves behind is an image, too.
    await docker(['tag', id, base]);
  } finally {
    clearInterval(heartbeat);
  }
}

function bootstrap({ release, sources, aptOptions, certificates }: Recipe): string[] {
  const trust = [
    `--customize-hook=copy-in ${certificateDirectory} /usr/local/share`,
    '--customize-hook=chroot "$1" update-ca-certificates',
  ];
  return [
    ...['mmdebstrap', '--variant=minbase', `--include=${packages.join(',')}`],
    ...aptOptions.map((option) => `--aptopt=${option}`),
    ...(certificates.length > 0 ? trust : []),
    ...[release, '-', ...sources],
  ];
}

async function requireTool(): Promise<void> {
  if ((await read('mmdebstrap', ['--version'])) !== '') return;
  const message = 'mmdebstrap is not installed; it makes the machine image';
  throw new Invalid([{ code: 'no-image-tool', message, hint: 'Run `npm run setup`, or apt-get install mmdebstrap.' }]);
}

// --- where packages come from ------------------------------------------------------------------------------------------

/** Where this machine has its own packages from. */
export async function readRecipe(release: string): Promise<Recipe> {
  const format = '$(REPO_URI) $(CODENAME) $(RELEASE) $(ORIGIN)';
  const targets = await read('apt-get', ['indextargets', '--format', format, 'Created-By: Packages']);
  const settings = await read('apt-config', ['dump', '--format', '%F "%v";%n', 'Acquire']);
  const certificates = (await filesOf(certificateDirectory)).filter((path) => path.endsWith('.crt'));
  return { release, sources: debianSources(targets, release), aptOptions: mirrorOptions(settings), certificates };
}

/**
 * The sources of `release` on the mirrors that this machine uses for its own Debian; empty on anything but a Debian.
 * `targets`: a line per source, `URI CODENAME RELEASE ORIGIN`, of which the last is missing before an `apt-get update`.
 */
export function debianSources(targets: string, release: string): string[] {
  const rows = targets.split('\n').map((line) => line.split(' '));
  const mirrors = rows
    .filter(([, , , origin]) => origin === 'Debian' || origin === '')
    .map(([uri = '', codename = '', suite = '']) => ({ uri, suite: codename === '' ? suite : codename }));
  const base = mirrors.find(({ uri, suite }) => /^[a-z]+$/.test(suite) && /\/debian\/?$/.test(uri))?.uri;
  const security = mirrors.find(({ suite }) => suite.endsWith('-security'))?.uri;
  return [
    ...(base === undefined ? [] : [`deb ${base} ${release} main`, `deb ${base} ${release}-updates main`]),
    ...(base === undefined || security === undefined ? [] : [`deb ${security} ${release}-security main`]),
  ];
}

/** Of all apt settings those without which this machine's mirror may be out of reach: proxies, and clocks not trusted. */
export function mirrorOptions(settings: string): string[] {
  return settings.split('\n').filter((line) => /^Acquire::(https?::.*Proxy|Check-)/i.test(line) && !line.endsWith('"";'));
}

/** Those sources that the mirror has. Not every mirror carries updates and security; without the release itself: none. */
async function reachable(sources: readonly string[]): Promise<string[]> {
  const directory = await mkdtemp(join(tmpdir(), 'cellwise-image-'));
  try {
    const found = await Promise.all(sources.map((source, i) => answers(source, join(directory, String(i)))));
    return found[0] === true ? sources.filter((_, i) => found[i]) : [];
  } finally {
    await rm(directory, { recursive: true });
  }
}

/** apt's own downloader knows this machine's proxies and certificates. */
async function answers(source: string, target: string): Promise<boolean> {
  const [, uri = '', suite = ''] = source.split(' ');
  await read('/usr/lib/apt/apt-helper', ['download-file', `${uri.replace(/\/$/, '')}/dists/${suite}/InRelease`, target]);
  return existsSync(target);
}

// --- the tag -----------------------------------------------------------------------------------------------------------

async function filesOf(directory: string): Promise<string[]> {
  const names = await readdir(directory).catch(() => []);
  return names.toSorted().map((name) => join(directory, name));
}

async function digest(data: unknown, files: readonly string[]): Promise<string> {
  const contents = await Promise.all(files.map((file) => readFile(file, 'utf8')));
  return createHash('sha256')
    .update(JSON.stringify([data, contents]))
    .digest('hex')
    .slice(0, 8);
}

// --- small things ------------------------------------------------------------------------------------------------------

function withClock(progress: Progress): Progress {
  const start = performance.now();
  return (line) => {
    progress(`${line} (${((performance.now() - start) / 1000).toFixed(0)} s)`);
  };
}
