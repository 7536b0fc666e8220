import { askCeph, cephAnswers, tellCeph } from '../base/ceph.ts';
import { defineResource, type Found } from './define.ts';

/**
 * By which cipher the monitors of a Ceph cluster seal what lets clients in at daemons: from Ceph 20.2 on, and only when no
 * daemon is of an earlier version. Which keys users get by default is another setting, and is left alone.
 */
export const cephCipher = defineResource({
  type: 'ceph-cipher',
  summary: 'By which cipher Ceph monitors seal the tickets of services: once all daemons are of Ceph 20.2 or later.',
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
  desired: (p) => ({ service: p.cipher }),
  probe: () => askCeph([{ command: { prefix: 'mon dump' } }]),
  parse: (output): Found => {
    const answers = cephAnswers(output);
    if ('unknown' in answers) return answers;
    const map = JSON.parse(answers[0]!.out) as { readonly auth_service_cipher?: { readonly name: string } };
    return { service: map.auth_service_cipher?.name ?? null };
  },
  apply: (p) => tellCeph([{ command: { prefix: 'mon set', name: 'auth_service_cipher', value: p.cipher } }]),
});
