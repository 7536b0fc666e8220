import { askCeph, cephAnswers, tellCeph } from '../base/ceph.ts';
import { defineResource, type Found } from './define.ts';

/** Options in the configuration that Ceph's monitors keep and hand out to daemons. */
export const cephConfig = defineResource({
  type: 'ceph-config',
  summary: "Options in the configuration that Ceph's monitors keep for its daemons. Options that are not named stay as they are.",
  nameParam: 'who',
  // Several roles may set options of one daemon, each its own.
  identity: (p) => `${p.who} ${Object.keys(p.options).toSorted().join(' ')}`,
  slow: true,
  params: {
    type: 'object',
    required: ['who', 'options'],
    additionalProperties: false,
    properties: {
      who: {
        type: 'string',
        pattern: '^[a-z][A-Za-z0-9._-]*(/(host|class):[A-Za-z0-9._-]+)?$',
        description: 'Whom they are for: `global`, a type (`osd`), a type on a host (`osd/host:sto1`), or a daemon (`mgr.sto1`).',
      },
      options: {
        type: 'object',
        description: 'Their values by name.',
        additionalProperties: { anyOf: [{ type: 'string' }, { type: 'number' }, { type: 'boolean' }] },
      },
    },
  },
  desired: (p) => Object.fromEntries(Object.entries(p.options).map(([name, value]) => [name, String(value)])),
  probeAll: () => askCeph([{ command: { prefix: 'config dump' } }]),
  parseAll: (output, all) => {
    const answers = cephAnswers(output);
    if ('unknown' in answers) return all.map(() => answers);
    const rows = JSON.parse(answers[0]!.out) as { section: string; mask: string; name: string; value: string }[];
    return all.map((p): Found => {
      const own = rows.filter(({ section, mask }) => p.who === (mask === '' ? section : `${section}/${mask}`));
      const set = Object.fromEntries(own.map(({ name, value }) => [name, value]));
      return Object.fromEntries(Object.keys(p.options).map((name) => [name, set[name] ?? null]));
    });
  },
  apply: (p, change) =>
    tellCeph(
      change.differences.map(({ key: name, after }) => ({ command: { prefix: 'config set', who: p.who, name, value: after as string } })),
    ),
});
