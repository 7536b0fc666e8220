import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Invalid } from '../base/problem.ts';
import { makeDirectory, privateDirectory } from '../private/private.ts';
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
  // With what keeps it out of git, before there is anything in it to keep.
  privateDirectory(join(directory, '.cellwise'));
  writeFileSync(file, text.replace('$schema=../schemas/inventory.schema.json', `$schema=${schema}`));
  say(options, `Wrote ${file}. Edit it, then: cellwise validate -i ${file}`);
  return exits.done;
}
