import { raw, sh, withInput, withTimeout } from '../base/command.ts';
import { defineResource, type Found } from './define.ts';
import { putRecord } from './put.ts';

const directory = '/var/lib/cellwise';
const record = 'heat-has-own-key';

/**
 * A Heat without a key in its configuration encrypts with the one in its source, which everybody knows, and Heat has no
 * command that moves trusts and resource data to another. Rows that the key in the source does not open have their own already.
 */
const python = `
from heat.common import context, crypt, exception
from heat.db import api, models
from oslo_config import cfg
cfg.CONF([], project='heat')
method = 'cryptography_decrypt_v1'
with api.context_manager.writer.using(context.get_admin_context()) as session:
    for table, columns in (models.UserCreds, ['password', 'trust_id']), (models.ResourceData, ['value']):
        for row in session.query(table).filter_by(decrypt_method=method):
            for column in columns:
                try:
                    plain = crypt.decrypt(method, getattr(row, column), 'notgood but just long enough i t')
                    setattr(row, column, crypt.encrypt(plain)[1])
                except exception.InvalidEncryptionKey:
                    pass
`;

/** What Heat keeps encrypted, once by its own key. That it was done is recorded on the host. */
export const heatEncryption = defineResource({
  type: 'heat-encryption',
  summary: 'Stored credentials of stacks, moved from the key in Heat’s source to the one in its configuration.',
  nameParam: 'user',
  scope: 'cluster',
  params: {
    type: 'object',
    required: ['user'],
    additionalProperties: false,
    properties: { user: { type: 'string', pattern: '^[a-z][a-z0-9_-]*$', description: 'Who runs Heat, and may read its configuration.' } },
  },
  desired: () => ({ key: 'own' }),
  probe: () => sh`[ -e ${`${directory}/${record}`} ] && echo own || echo 'not known'`,
  parse: (output): Found =>
    output.code === 0 ? { key: output.out.toString().trim() } : { unknown: output.err.toString().trim() || `exit code ${output.code}` },
  apply: (p) =>
    withTimeout(
      withInput(
        sh`
set -e
(cd / && exec runuser -u ${p.user} -- python3 -)
${putRecord(directory, record, raw("''"))}`,
        python,
      ),
      600,
    ),
});
