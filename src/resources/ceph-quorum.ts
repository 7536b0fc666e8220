import { askCeph, cephAnswers, tellCeph, type CephCall } from '../base/ceph.ts';
import { defineResource, type Found } from './define.ts';

/** Which monitors a Ceph cluster counts. A monitor joins by itself; one that is gone for good must be struck off the list. */
export const cephQuorum = defineResource({
  type: 'ceph-quorum',
  summary: 'The monitors that the Ceph cluster counts: others are struck off its list, once all of these are in the quorum.',
  nameParam: 'monitors',
  scope: 'cluster',
  slow: true,
  identity: () => '',
  params: {
    type: 'object',
    required: ['monitors'],
    additionalProperties: false,
    properties: {
      monitors: {
        type: 'array',
        minItems: 1,
        description: 'All of them.',
        items: {
          type: 'object',
          required: ['name'],
          additionalProperties: false,
          properties: {
            name: { type: 'string', description: 'Its name.' },
            address: { type: 'string', description: 'Where it listens.' },
          },
        },
      },
    },
  },
  desired: (p) => ({ monitors: p.monitors.map(({ name }) => name).toSorted() }),
  probe: () => askCeph([{ command: { prefix: 'quorum_status' } }]),
  parse: (output): Found => {
    const answers = cephAnswers(output);
    if ('unknown' in answers) return answers;
    return {
      monitors: statusOf(answers[0]!.out)
        .monmap.mons.map(({ name }) => name)
        .toSorted(),
    };
  },
  apply: (p, change) => {
    const extra = ((change.before?.['monitors'] ?? []) as string[]).filter((name) => !p.monitors.some((wanted) => wanted.name === name));
    return tellCeph(
      extra.flatMap((name): CephCall[] => [{ command: { prefix: 'mon ok-to-rm', id: name } }, { command: { prefix: 'mon rm', name } }]),
    );
  },
});

function statusOf(out: string): { readonly monmap: { readonly mons: readonly { readonly name: string }[] } } {
  return JSON.parse(out) as ReturnType<typeof statusOf>;
}
