import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';

const root = join(import.meta.dirname, '../..');
const directory = mkdtempSync(join(tmpdir(), 'cellwise-build-'));

afterAll(() => {
  rmSync(directory, { recursive: true });
});

it('what is built finds what it ships with', () => {
  const run = (command: string, ...args: string[]): string => execFileSync(command, args, { cwd: root, encoding: 'utf8' });
  run('node_modules/.bin/rolldown', '--config', '--log-level', 'silent', '--dir', join(directory, 'dist/cli'));
  expect(readFileSync(join(directory, 'dist/cli/THIRD-PARTY.txt'), 'utf8')).toMatch(/^handlebars [\d.]+: MIT\n\nCopyright/m);
  for (const part of ['roles', 'schemas', 'images', 'package.json', 'node_modules']) symlinkSync(join(root, part), join(directory, part));
  const cellwise = (...args: string[]): string => run(process.execPath, join(directory, 'dist/cli/main.js'), ...args);
  expect(cellwise('validate', '-i', 'inventories/lab.yaml')).toMatch(/^inventories\/lab.yaml is valid: 6 hosts/);
  expect(cellwise('explain', 'file')).toContain('content');
});
