import { askCeph, cephAnswers, tellCeph } from '../base/ceph.ts';
import { defineResource, type Found } from './define.ts';

/** How the monitors of a Ceph cluster encrypt what they hand out to daemons: from Ceph 20.2 on. */
export const cephCipher = defineResource({
  type: 'ceph-cipher',
  summary: 'By which cipher Ceph monitors make new keys and seal the tickets of services: Ceph 20.2 and later, once all daemons are of it.',
  nameParam: 'cipher',
  scope: 'cluster',
  slow: true,
  identity: () => '',
  params: {
    type: 'object',
    required: ['cipher'],
    additionalProperties: false,
    properties: { cipher: { type: 'string', enum: ['aes', 'aes256k'], description: 'Its name.' } },
  },
  desired: (p) => Object.fromEntries(settings.map((name) => [name, p.cipher])),
  probe: () => askCeph([{ command: { prefix: 'mon dump' } }]),
  parse: (output): Found => {
    const answers = cephAnswers(output);
    if ('unknown' in answers) return answers;
    const map = JSON.parse(answers[0]!.out) as Readonly<Record<string, unknown>>;
    return Object.fromEntries(settings.map((name) => [name, (map[`${name}_name`] ?? null) as string | null]));
  },
  apply: (p, change) => tellCeph(change.differences.map(({ key }) => ({ command: { prefix: 'mon set', key, value: p.cipher } }))),
});

const settings = ['auth_preferred_cipher', 'auth_service_cipher'] as const;
