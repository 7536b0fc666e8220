import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Invalid } from '../base/problem.ts';
import { exits } from './exit.ts';
import { say } from './output.ts';
import type { Options } from './options.ts';

export function init([directory = '.']: readonly string[], options: Options): number {
  const file = join(directory, 'inventory.yaml');
  if (existsSync(file))
    throw new Invalid([{ code: 'file-exists', message: `${file} is there already`, hint: 'Give another directory, or move it away.' }]);
  const text = readFileSync(new URL('../../examples/start.yaml', import.meta.url), 'utf8');
  const schema = new URL('../../schemas/inventory.schema.json', import.meta.url).pathname;
  makeDirectory(directory);
  writeFileSync(file, text.replace('$schema=../schemas/inventory.schema.json', `$schema=${schema}`));
  say(options, `Wrote ${file}. Edit it, then: cellwise validate -i ${file}`);
  return exits.done;
}

/** With the directories above it. Not by Node's recursive mkdir, which never ends below /proc. */
function makeDirectory(path: string): void {
  if (existsSync(path)) return;
  makeDirectory(dirname(path));
  mkdirSync(path);
}
