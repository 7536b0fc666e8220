// There is one way to write on a host: put.ts. Every other line that writes is listed here, with the reason why it may.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { compare } from '../../src/base/state.ts';
import { isUnknown } from '../../src/resources/define.ts';
import { allCases } from './all-cases.ts';
import { resource } from './converge.ts';
import { codeOf } from './shell-code.ts';

const owned = 'in the directory of its own that mktemp made, which root alone can change';
const rootsDirectory = 'in a directory of root, where nobody else can put a link';

const byHand: readonly (readonly [type: string, line: RegExp, why: string])[] = [
  ['ceph-backup', /^ceph .* >[a-z-]+\.json$/, 'fills the private directory of putTree'],
  ['backup', /gzip -1 >"\$database\.sql\.gz"$/, 'fills the private directory of putTree'],
  ['ceph-crush', /"\$map/, owned],
  ['ceph-mon', /"\$work/, owned],
  ['ceph-osd', /^chown ceph:ceph \/dev\//, 'a disk in /dev, which is root’s'],
  ['ceph-osd', /^dd if=\/dev\/zero of=\/dev\//, 'empties a disk in /dev, which is root’s'],
  ['hosts-file', /hosts/, 'writes the private directory of putAnything, and /etc/hosts itself where it is a mount'],
  ['ini-setting', /^\}' >"\.\/\$name" \|\| exit$/, 'writes the private directory of editFile'],
  ['package', /policy-rc\.d|\/run\/cellwise-active-units/, rootsDirectory],
  ['package', /^ +install (--|\$plain)/, 'a function of the script, which calls apt-get'],
  ['package', /"\$preseed"/, 'a file that mktemp made in /tmp, where a sticky directory keeps others off'],
  ['service', /\/var\/lib\/cellwise\/units/, rootsDirectory],
  ['sysctl', />"\$live"$/, 'a setting of the kernel in /proc/sys'],
  ['user', /^ {2}cd -- "\$1" && umask 077 && mkdir -p \.ssh /, 'runs as the user whose directory it is'],
];

const scripts = allCases.flatMap((one) => {
  const { type, params } = resource(one.type, one.params);
  if (type.via !== 'shell') return [];
  const probe = 'probeAll' in type ? type.probeAll([params]) : type.probe(params);
  const change = one.found !== null && isUnknown(one.found) ? null : compare(one.found, type.desired(params));
  const commands = [probe, type.peek?.(params), change && type.apply(params, change)].flatMap((command) => command ?? []);
  return commands.map(({ script }) => ({ name: `${one.type}: ${one.is}`, type: one.type, script }));
});

/** Lines of put.ts, with anything where a value stands in them. */
const putLines = readFileSync(join(import.meta.dirname, '../../src/resources/put.ts'), 'utf8')
  .split('\n')
  .map((line) =>
    line
      .replace(/^.*?(sh|raw\()`|`\)?;?$/g, '')
      .replaceAll('\\\\', '\\')
      .replaceAll('\\${', '$' + '{'),
  )
  .filter((line) => writes(codeOf(line)))
  .map(
    (line) =>
      new RegExp(
        `^${line
          .split(/\$\{(?:place\()?[a-z.]+(?:\(.*?\))?(?: \?\? raw\('.*?'\))?\}/i)
          .map((text) => text.replaceAll(/[\\^$.*+?()[\]{}|]/g, String.raw`\$&`))
          .join('.*')}$`,
        's',
      ),
  );

function writes(code: string): boolean {
  const redirects = code.replaceAll(/\d?>>?\s*(&\d|\/dev\/null|&-)/g, '');
  return (
    /(?<![-=<])>(?!=)/.test(redirects) ||
    /(^|[;&|({']|\b(then|do|else|if|!)\b)\s*(cp|mv|install|tee|chown|chmod|chgrp|ln|mkdir|rmdir|rm|touch|truncate|mkfifo|mknod|unlink|rsync|cpio)\s/.test(
      code,
    ) ||
    /\bsed\s.*-i|\bdd\b.*\bof=|\btar\b.*\s-[a-z]*x|\bsort\b.*-o\s/.test(code)
  );
}

/** Lines that write otherwise than by put.ts. */
function byHandIn(script: string): string[] {
  const lines = script.split('\n');
  return codeOf(script)
    .split('\n')
    .flatMap((code, i) => (writes(code) && !putLines.some((line) => line.test(lines[i]!)) ? [lines[i]!] : []));
}

describe('a type writes on a host by put.ts', () => {
  test.each(scripts.map((one) => [one.name, one] as const))('%s', (_, { type, script }) => {
    const allowed = byHand.filter(([name]) => name === type);
    expect(byHandIn(script).filter((line) => !allowed.some(([, pattern]) => pattern.test(line)))).toEqual([]);
  });

  test('every exception is needed', () => {
    const found = scripts.flatMap(({ type, script }) => byHandIn(script).map((line) => [type, line] as const));
    expect(byHand.filter(([type, pattern]) => !found.some(([name, line]) => name === type && pattern.test(line)))).toEqual([]);
  });

  test.each([
    'echo x >/etc/x',
    'cat >"$new"',
    'a && chown -- root:root "$path"',
    'if true; then cp a b; fi',
    "sed -i 's/a/b/' /etc/x",
    "runuser -u x -- sh -c 'cd y && touch z'",
    "trap 'rm -f $x' EXIT",
    'x=$(mkdir -p /etc/y)',
    'echo x | tee /etc/x',
    'install -d /etc/y',
  ])('%s is seen', (script) => {
    expect(byHandIn(script)).toEqual([script]);
  });

  test.each(['echo x >&2', 'x 2>/dev/null', "awk '$1 > 2'", 'apt-get install x', '[ $x -gt 1 ] && echo "a > b"'])('%s is not', (script) => {
    expect(byHandIn(script)).toEqual([]);
  });
});

test('put.ts goes nowhere by names that may have changed', () => {
  const source = readFileSync(join(import.meta.dirname, '../../src/resources/put.ts'), 'utf8');
  expect(source.replaceAll(/^ \*.*$/gm, '').match(/\bcd (?!-P )/g)).toBeNull();
});

test('every script is one', () => {
  const bad = [...new Set(scripts.map(({ script }) => script))].filter((script) => spawnSync('sh', ['-n'], { input: script }).status !== 0);
  expect(bad).toEqual([]);
});
