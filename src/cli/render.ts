import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { Invalid } from '../base/problem.ts';
import { count } from '../report/words.ts';
import { shown } from '../base/secret.ts';
import { stepsByHost, type Step } from '../plan/plan.ts';
import { placeholders } from '../secrets/placeholders.ts';
import { partOf, planOf, openCloud } from './cloud.ts';
import { exits } from './exit.ts';
import { say } from './output.ts';
import type { Options } from './options.ts';

export function render(_args: readonly string[], options: Options): number {
  const plan = planOf(openCloud(options), placeholders());
  const part = partOf(plan, options.only);
  const directory = resolve(options.out!);
  let files = 0;
  for (const [host, steps] of stepsByHost(plan)) {
    for (const step of steps) {
      if (part && !part.has(step.step)) continue;
      const content = contentOf(step);
      if (content === undefined) continue;
      const path = inside(join(directory, host), String(step.params[step.resource.nameParam]));
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, content);
      files += 1;
    }
  }
  say(options, `Wrote ${count(files, 'file')} to ${directory}, a directory a host; secrets are shown by name.`);
  return exits.done;
}

function contentOf(step: Step): string | Uint8Array | undefined {
  if (step.resource.via !== 'shell' || step.stepType !== 'file' || step.params['absent'] === true) return undefined;
  const content = step.resource.content?.(step.params);
  return content === undefined || content instanceof Uint8Array ? content : shown(content);
}

/** A host's absolute path below a directory here; `..` in it must not lead out. */
function inside(directory: string, path: string): string {
  const target = join(directory, path);
  if (!target.startsWith(`${directory}/`)) throw new Invalid([{ code: 'bad-value', message: `${path} leads out of ${directory}` }]);
  return target;
}
