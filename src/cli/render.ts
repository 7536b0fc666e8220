import { join, resolve } from 'node:path';
import { count } from '../report/words.ts';
import { shown } from '../base/secret.ts';
import { stepsByHost, type Step } from '../plan/plan.ts';
import { placeholders } from '../secrets/placeholders.ts';
import { partOf, planOf, openCloud } from './cloud.ts';
import { exits } from './exit.ts';
import { say } from './output.ts';
import type { Options } from './options.ts';
import { Tree } from './tree.ts';

export function render(_args: readonly string[], options: Options): number {
  const plan = planOf(openCloud(options), placeholders());
  const part = partOf(plan, options.only);
  const directory = resolve(options.out!);
  const tree = new Tree(directory);
  let files = 0;
  for (const [host, steps] of stepsByHost(plan)) {
    for (const step of steps) {
      if (part && !part.has(step.step)) continue;
      const content = contentOf(step);
      if (content === undefined) continue;
      tree.write(join(host, String(step.params[step.resource.nameParam])), content);
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
