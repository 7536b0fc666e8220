import { type Command, raw, sh, withInput, withTimeout } from '../base/command.ts';
import { defineResource, type Found } from './define.ts';

/** A shell command that is run when it is not done yet. For the few things that no other type keeps. */
export const command = defineResource({
  type: 'command',
  summary: 'A shell command, with a way to tell that it is done already: `creates`, `unless` or `onlyif`.',
  nameParam: 'run',
  slow: (p) => p.unless !== undefined || p.onlyif !== undefined,
  params: {
    type: 'object',
    required: ['run'],
    anyOf: [{ required: ['creates'] }, { required: ['unless'] }, { required: ['onlyif'] }],
    additionalProperties: false,
    properties: {
      run: { type: 'string', minLength: 1, description: 'What to run, by `sh -c`. Secrets go by `stdin`.' },
      creates: { type: 'string', pattern: '^/', description: 'Done when this path exists.' },
      unless: { type: 'string', minLength: 1, description: 'Done when this shell command succeeds. It must change nothing.' },
      onlyif: { type: 'string', minLength: 1, description: 'Done (nothing to do) when this shell command fails. It must change nothing.' },
      user: { type: 'string', description: 'Who runs it, and the checks; root when left out.' },
      cwd: { type: 'string', pattern: '^/', default: '/', description: 'Where.' },
      stdin: { type: 'string', format: 'text', description: 'What it reads from standard input.' },
      timeout: { type: 'integer', minimum: 1, default: 300, description: 'Seconds after which it is ended.' },
    },
  },
  desired: () => ({ done: true }),
  // Exit codes: 0 done, 100 not done, anything else cannot be told.
  probe: (p) => sh`
${p.creates === undefined ? raw(':') : sh`if [ -e ${p.creates} ]; then exit 0; fi`}
${p.unless === undefined ? raw(':') : sh`if ${as(p, p.unless)} </dev/null >/dev/null 2>&1; then exit 0; fi`}
${p.onlyif === undefined ? raw(':') : sh`if ${as(p, p.onlyif)} </dev/null >/dev/null 2>&1; then :; else exit 0; fi`}
exit 100`,
  parse: (output): Found => {
    if (output.code === 0) return { done: true };
    return output.code === 100 ? null : { unknown: output.timedOut ? 'its check took too long' : `its check ended with ${output.code}` };
  },
  apply: (p) => withTimeout(withInput(as(p, p.run), p.stdin ?? ''), p.timeout),
});

function as(p: { readonly cwd: string; readonly user?: string }, script: string): Command {
  return p.user === undefined
    ? sh`( cd -- ${p.cwd} && exec sh -c ${script} )`
    : sh`( cd -- ${p.cwd} && exec runuser -u ${p.user} -- sh -c ${script} )`;
}
