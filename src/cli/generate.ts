import { mkdirSync, writeFileSync } from 'node:fs';
import { editorSchema } from '../roles/role-schema.ts';
import { readRoles } from '../roles/role.ts';
import { rolesDirectory } from './cloud.ts';
import { portsReference, problemsReference, stepsReference } from './reference.ts';

/** Files that are made from the code, by path from the top of the source tree. */
export function generatedFiles(): ReadonlyMap<string, string> {
  return new Map([
    ['schemas/role.schema.json', `${JSON.stringify(editorSchema(), null, 2)}\n`],
    ['docs/reference/steps.md', stepsReference()],
    ['docs/reference/problems.md', problemsReference()],
    ['docs/reference/ports.md', portsReference(readRoles(rolesDirectory).roles.values())],
  ]);
}

if (import.meta.main) {
  mkdirSync('docs/reference', { recursive: true });
  for (const [path, text] of generatedFiles()) writeFileSync(path, text);
}
