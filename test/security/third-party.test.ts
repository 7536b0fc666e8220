// What a role or an inventory of a stranger could have sent to hosts, and where files that are written here could lead.
import { chmodSync, chownSync, linkSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Invalid, Problem } from '../../src/base/problem.ts';
import { render } from '../../src/cli/render.ts';
import { readInventory } from '../../src/inventory/read.ts';
import { check } from '../../src/plan/check.ts';
import { readRoles } from '../../src/roles/role.ts';
import { planned } from '../plan/clouds.ts';
import { newDirectory, writeRoles } from '../roles/directories.ts';

const secret = 'cAnArY-of-the-operator';

/** A file of the operator that is nobody else's business. */
function outside(content = secret): string {
  const file = join(newDirectory(), 'id_ed25519');
  writeFileSync(file, content, 'latin1');
  return file;
}

function told(problems: readonly Problem[]): string[] {
  return problems.map(({ code, message, place, hint }) => {
    expect(JSON.stringify([message, place, hint])).not.toContain(secret);
    return `${code} ${basename(place!.file)}:${place!.line}:${place!.column}`;
  });
}

describe('a role of a stranger', () => {
  const step = { file: '/etc/x', template: 'a.hbs' };

  function rolesWith(link: string, target: string, role: object = {}): readonly Problem[] {
    const directory = writeRoles({ one: { steps: [step], ...role } });
    mkdirSync(join(directory, 'one', link, '..'), { recursive: true });
    symlinkSync(target, join(directory, 'one', link));
    return readRoles(directory).problems;
  }

  it('has its own templates, and no link to another file', () => {
    expect(told(rolesWith('templates/a.hbs', outside()))).toEqual(['file-outside role.yaml:7:15']);
  });

  it('has no directory of templates elsewhere', () => {
    const elsewhere = newDirectory();
    writeFileSync(join(elsewhere, 'a.hbs'), secret);
    expect(told(rolesWith('templates', elsewhere))).toEqual(['file-outside role.yaml:7:15']);
  });

  it('has none in the steps around an upgrade either', () => {
    const upgrade = { before: [{ file: '/etc/y', template: 'b.hbs' }] };
    expect(told(rolesWith('templates/b.hbs', outside(), { steps: [{ directory: '/a' }], upgrade }))).toEqual([
      'file-outside role.yaml:10:17',
    ]);
  });

  it('may link to files of its own', () => {
    expect(rolesWith('templates/a.hbs', '../parts/real', { files: { 'parts/real': 'x' } })).toEqual([]);
  });

  it.each(['../../other.hbs', '/etc/x.hbs', 'a/../../x.hbs', '.hbs', 'x.hbs\n../y.hbs'])('has no template called %j', (template) => {
    expect(told(readRoles(writeRoles({ one: { steps: [{ ...step, template }] } })).problems)).toEqual(['bad-value role.yaml:7:15']);
  });

  it.each(['role.yaml', 'params.schema.json'])('has no %s that is a link: what it leads to would be quoted', (name) => {
    const directory = writeRoles({ one: {} });
    const role = join(directory, 'two');
    mkdirSync(role);
    if (name !== 'role.yaml') writeFileSync(join(role, 'role.yaml'), 'role: two\n');
    symlinkSync(outside(`{ ${secret}`), join(role, name));
    expect(told(readRoles(directory).problems)).toEqual(['file-outside role.yaml:1:1']);
  });

  it.each([
    ['by name', { steps: [{ image: 'x', file: '/etc/passwd', sha512: 'ab'.repeat(64) }] }],
    [
      'by a param',
      {
        params: { all: { type: 'object', default: { x: { file: '/etc/passwd', sha512: 'ab'.repeat(64) } } } },
        steps: [{ image: '{{all}}' }],
      },
    ],
  ])('has no file of this machine made an image, %s', (_, role) => {
    expect(check(planned({ one: role })).map(({ message }) => message)).toEqual([
      '`file` names a file of the machine that Cellwise runs on, which only an inventory can',
    ]);
  });
});

describe('an inventory of a stranger', () => {
  const qcow2 = 'QFI\xfb and so on';
  const key = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGkL me@here';

  /** What is said of one image or key pair whose file holds this; `file`: another one. */
  function problemsOf(
    section: 'images' | 'keypairs',
    content: string,
    more = '',
    file?: string,
    allowed: readonly string[] = [],
  ): readonly Problem[] {
    const directory = newDirectory();
    writeFileSync(join(directory, 'own'), content, 'latin1');
    const text = `cloud: {name: lab, release: "2025.1"}
networks: {management: {cidr: 10.0.0.0/8}}
resources: {${section}: {x: {file: ${file ?? 'own'}${more}}}}
hosts:
  ctl1: {address: 10.0.0.11, kind: controller}
`;
    return readInventory(join(directory, 'inventory.yaml'), text, allowed).problems;
  }

  it.each([
    ['images', qcow2],
    ['keypairs', key],
  ] as const)('has files below its own directory sent, and no others, as %s', (section, content) => {
    const other = outside(content);
    const link = join(newDirectory(), 'link');
    symlinkSync(other, link);
    expect(problemsOf(section, content)).toEqual([]);
    for (const file of [other, link])
      expect(told(problemsOf(section, content, '', file))[0]).toMatch(/^file-outside inventory\.yaml:3:\d+$/);
    expect(problemsOf(section, content, '', link, [other])).toEqual([]);
    expect(problemsOf(section, content, '', other, [join(other, '..')])).toEqual([]);
    expect(told(problemsOf(section, content, '', other, [`${other}x`, `${join(other, '..')}2`]))).toHaveLength(1);
  });

  it.each([
    ['a link in its directory', 'link'],
    ['a way up', '../../../../../../../../../../etc/passwd'],
    ['home', '~/'],
    ['a link to itself', 'loop'],
  ])('cannot lead out by %s', (_, way) => {
    const directory = newDirectory();
    symlinkSync(outside(), join(directory, 'link'));
    symlinkSync('loop', join(directory, 'loop'));
    const text = `resources: {images: {x: {file: ${way}}}}\n`;
    const codes = readInventory(join(directory, 'inventory.yaml'), text).problems.map(({ code }) => code);
    expect(codes.filter((code) => code.startsWith('file-'))).toHaveLength(1);
  });

  it.each([
    ['qcow2', qcow2],
    ['iso', `${' '.repeat(0x8001)}CD001`],
    ['vmdk', 'KDMV...'],
    ['vdi', `${' '.repeat(0x40)}\x7f\x10\xda\xbe`],
    ['vhd', 'conectix'],
    ['vhd', `data${'conectix'.padEnd(512)}`],
  ])('makes a %s image of such a file alone', (format, content) => {
    expect(problemsOf('images', content, `, format: ${format}`)).toEqual([]);
    for (const other of [secret, '', `x${content}x`, '# Disk DescriptorFile\n'])
      expect(told(problemsOf('images', other, `, format: ${format}`))).toEqual(['not-an-image inventory.yaml:3:32']);
  });

  it('says itself who may use what cannot be told from any other file', () => {
    expect(told(problemsOf('images', secret, ', format: raw'))).toEqual(['not-an-image inventory.yaml:3:32']);
    expect(problemsOf('images', secret, ', format: raw, visibility: private')).toEqual([]);
  });

  it.each([
    ['a text', secret],
    ['a private key', `-----BEGIN OPENSSH PRIVATE KEY-----\n${secret}\n`],
    ['a key and more', `${key}\n${secret}`],
    ['something like a key', `ssh-rsa ${secret}`],
    ['too much', `${key}${' '.repeat(20_000)}x`],
  ])('gives no key pair that is %s, and nothing of it is quoted', (_, content) => {
    expect(told(problemsOf('keypairs', content))).toEqual(['bad-value inventory.yaml:3:34']);
  });

  it('says what an image from an http URL must be', () => {
    const problems = (more: string) =>
      readInventory('f.yaml', `resources: {images: {x: {${more}}}}\n`).problems.filter(({ code }) => code === 'no-digest');
    expect(told(problems('url: "http://a/x.qcow2"'))).toEqual(['no-digest f.yaml:1:31']);
    expect(problems(`url: "http://a/x.qcow2", sha256: ${'ab'.repeat(32)}`)).toEqual([]);
    expect(problems('url: "https://a/x.qcow2"')).toEqual([]);
  });
});

describe('render', () => {
  const base = 'cloud: {name: lab, release: "2025.1", services: [one]}\nnetworks: {management: {cidr: 10.0.0.0/8}}\n';

  /** Renders a role's files to `out`; the code of what is refused, or 'done'. */
  function rendered(out: string, ...paths: readonly string[]): string {
    const file = join(newDirectory(), 'inventory.yaml');
    const roles = writeRoles({ one: { steps: paths.map((path) => ({ file: path, content: 'x' })) } });
    writeFileSync(file, `${base}roles: [${roles}]\nhosts:\n  ctl1: {address: 10.0.0.11, kind: controller}\n`);
    try {
      render([], { inventory: file, out });
      return 'done';
    } catch (error) {
      return (error as Invalid).problems[0]!.code;
    }
  }

  const tree = (...levels: readonly string[]): string => {
    const directory = join(newDirectory(), 'out', ...levels);
    mkdirSync(directory, { recursive: true });
    return directory;
  };

  it('writes files, again as well', () => {
    const out = join(newDirectory(), 'not', 'there');
    expect(rendered(out, '/etc/a')).toBe('done');
    expect(rendered(out, '/etc/a', '/etc/b')).toBe('done');
    expect(readFileSync(join(out, 'ctl1/etc/b'), 'utf8')).toBe('x');
  });

  it.each<[string, (victim: string) => string]>([
    ['a directory that is a link', (victim) => link(tree('ctl1'), 'etc', join(victim, '..'))],
    ['the host’s directory as a link', (victim) => link(tree(), 'ctl1', join(victim, '..'))],
    ['a file that is a link', (victim) => link(tree('ctl1', 'etc'), basename(victim), victim)],
    ['the directory itself as a link', (victim) => link(newDirectory(), 'out', join(victim, '..'))],
  ])('does not follow %s', (_, prepare) => {
    const victim = outside();
    const out = prepare(victim);
    expect(rendered(out.replace(/(\/out)\/.*/, '$1'), `/etc/${basename(victim)}`, `/${basename(victim)}`)).toBe('unsafe-directory');
    expect(readFileSync(victim, 'utf8')).toBe(secret);
  });

  it('does not write through a hard link', () => {
    const victim = outside();
    const out = tree('ctl1', 'etc');
    linkSync(victim, join(out, 'x'));
    expect(rendered(join(out, '../..'), '/etc/x')).toBe('done');
    expect(readFileSync(victim, 'utf8')).toBe(secret);
  });

  it('writes to no directory that others can change', () => {
    const [open, inner] = [tree(), tree('ctl1')];
    chmodSync(open, 0o1777);
    chmodSync(inner, 0o777);
    expect([rendered(open, '/etc/x'), rendered(join(inner, '..'), '/etc/x')]).toEqual(['unsafe-directory', 'unsafe-directory']);
  });

  it.runIf(process.getuid!() === 0)('writes to no directory of somebody else', () => {
    const out = tree('ctl1');
    chownSync(out, 65534, 65534);
    expect(rendered(join(out, '..'), '/etc/x')).toBe('unsafe-directory');
  });

  it('leads out by no name', () => {
    const out = tree();
    for (const path of ['/../../evil', '/etc/../../../evil', '/..']) expect(rendered(out, path)).toBe('bad-value');
  });
});

function link(directory: string, name: string, target: string): string {
  symlinkSync(target, join(directory, name));
  return join(directory, name);
}
