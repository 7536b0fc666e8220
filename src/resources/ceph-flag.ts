import { askCeph, cephAnswers, tellCeph } from '../base/ceph.ts';
import { defineResource, type Found } from './define.ts';

/** A flag of a whole Ceph cluster, such as noout. Made for a while, as a lease: `absent` takes it away. */
export const cephFlag = defineResource({
  type: 'ceph-flag',
  summary: 'A flag of the whole Ceph cluster, such as `noout`: what it leaves be for a while.',
  nameParam: 'flag',
  scope: 'cluster',
  slow: true,
  params: {
    type: 'object',
    required: ['flag'],
    additionalProperties: false,
    properties: {
      flag: {
        type: 'string',
        enum: ['noautoscale', 'nobackfill', 'nodeep-scrub', 'nodown', 'noin', 'noout', 'norebalance', 'norecover', 'noscrub', 'noup'],
        description: 'Its name.',
      },
      absent: { type: 'boolean', default: false, description: 'It must not be set.' },
    },
  },
  desired: (p) => (p.absent ? null : { set: true }),
  probeAll: () => askCeph([{ command: { prefix: 'osd dump' } }]),
  parseAll: (output, all) => {
    const answers = cephAnswers(output);
    if ('unknown' in answers) return all.map(() => answers);
    const { flags_set: set } = JSON.parse(answers[0]!.out) as { flags_set: string[] };
    return all.map((p): Found => (set.includes(p.flag) ? { set: true } : null));
  },
  apply: (p) => tellCeph([{ command: { prefix: p.absent ? 'osd unset' : 'osd set', key: p.flag } }]),
});
