// Roles written for one test: a directory of them from texts.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { stringify } from 'yaml';

const directories: string[] = [];
function clean(): void {
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true, force: true });
}
// Vitest ends its workers without a word; processes that tests start end by themselves.
if ('__vitest_worker__' in globalThis) (await import('vitest')).afterAll(clean);
else process.on('exit', clean);

export function newDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'cellwise-test-'));
  directories.push(directory);
  return directory;
}

/** A role as a test writes it: what is left out is a role of controllers that keeps one directory. */
export interface WrittenRole {
  readonly yaml?: string;
  readonly params?: Readonly<Record<string, unknown>>;
  readonly templates?: Readonly<Record<string, string>>;
  /** Other files, by path below the role. */
  readonly files?: Readonly<Record<string, string>>;
  readonly [key: string]: unknown;
}

/** Writes roles below a new directory and returns it. */
export function writeRoles(roles: Readonly<Record<string, WrittenRole>>): string {
  const directory = newDirectory();
  for (const [name, { yaml, params, templates = {}, files = {}, ...keys }] of Object.entries(roles)) {
    const all = {
      'role.yaml': yaml ?? stringify({ role: name, summary: 'A role.', on: ['controller'], steps: [{ directory: `/${name}` }], ...keys }),
      ...(params ? { 'params.schema.json': JSON.stringify({ type: 'object', properties: params }) } : {}),
      ...Object.fromEntries(Object.entries(templates).map(([file, text]) => [`templates/${file}`, text])),
      ...files,
    };
    for (const [file, text] of Object.entries(all)) {
      const path = join(directory, name, file);
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, text);
    }
  }
  return directory;
}
