import { join } from 'node:path';
import type { Problem } from '../base/problem.ts';
import type { Document } from '../document/document.ts';
import { strayed } from '../document/inside.ts';

// A role can come from anybody, and version control keeps links: what they lead to would be sent to hosts, or quoted on the
// screen, as if it were the role's own.

/** What is wrong with the files that every role has, before they are read. */
export function strayDocuments(directory: string): Problem[] {
  const place = { file: join(directory, 'role.yaml'), line: 1, column: 1 };
  return ['role.yaml', 'params.schema.json'].flatMap((name) =>
    stray(directory, join(directory, name)).map((fault) => ({ ...fault, place })),
  );
}

/** What is wrong with the templates that steps name. */
export function strayTemplates(
  directory: string,
  document: Document,
  steps: readonly { readonly template?: string; readonly path: readonly (string | number)[] }[],
): Problem[] {
  return steps.flatMap(({ template, path }) => {
    const faults = template === undefined ? [] : stray(directory, templateFile(directory, template));
    return faults.map((fault) => document.problem({ ...fault, path: [...path, 'template'] }));
  });
}

export function templateFile(directory: string, name: string): string {
  return join(directory, 'templates', name);
}

function stray(directory: string, file: string): Pick<Problem, 'code' | 'message' | 'hint'>[] {
  const real = strayed(file, [directory]);
  if (real === undefined) return [];
  return [{ code: 'file-outside', message: `${file} leads out of its role, to ${real}`, hint: 'Put the file itself into the role.' }];
}
