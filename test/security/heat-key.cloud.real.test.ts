// Heat without a key of its own encrypts with the one in its source. What it has encrypted so must be readable by the new key, and
// by no other. Debian's Heat, with the configuration and the step of the role; its database is a file.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { reveal, type Text } from '../../src/base/secret.ts';
import { stepsByHost } from '../../src/plan/plan.ts';
import { readRoles } from '../../src/roles/role.ts';
import { imageAfter, type Machine, startMachine } from '../machines.ts';
import { inventoryOf, planOf, secretsOf, small } from '../plan/clouds.ts';

const key = '0123456789abcdefghijklmnopqrstuv';
const steps = stepsByHost(planOf(inventoryOf(small), readRoles('roles').roles, secretsOf({ 'heat.encryption_key': key }))).get('ctl1')!;
let host: Machine;

async function done(script: string): Promise<string> {
  const { code, out, err } = await host.exec(script);
  expect(code, err).toBe(0);
  return out;
}

/** Runs Python with Heat's session at hand. */
const heat = (script: string): Promise<string> =>
  done(`python3 -W ignore - <<'END'
from heat.common import context, crypt, exception
from heat.db import api, models
from oslo_config import cfg
cfg.CONF([], project='heat')
with api.context_manager.writer.using(context.get_admin_context()) as session:
${script.replace(/^/gm, '    ')}
END`);

/** Writes heat.conf: with `line`, and the database in a file. */
const configure = (line: string): Promise<string> =>
  done(`printf '[DEFAULT]\\n%s\\n[database]\\nconnection = sqlite:////var/lib/heat/heat.db\\n' '${line}' >/etc/heat/heat.conf`);

const add = (name: string): Promise<string> =>
  heat(`session.add(models.UserCreds(trust_id=crypt.encrypt('trust ${name}')[1], decrypt_method='cryptography_decrypt_v1'))
session.add(models.UserCreds(username='${name}', password=crypt.encrypt('password ${name}')[1], decrypt_method='cryptography_decrypt_v1'))
session.add(models.ResourceData(key='${name}', value=crypt.encrypt('key ${name}')[1], redact=True, decrypt_method='cryptography_decrypt_v1', resource_id=1))
session.add(models.ResourceData(key='open', value='as it is', redact=False, decrypt_method='', resource_id=1))`);

const all = (by: string): Promise<string> =>
  heat(`for table, names in (models.UserCreds, ['trust_id', 'password']), (models.ResourceData, ['value']):
    for row in session.query(table):
        for value in filter(None, (getattr(row, name) for name in names)):
            try: print(crypt.decrypt(row.decrypt_method, value${by}) if row.decrypt_method else value)
            except exception.InvalidEncryptionKey: print('unreadable')`);

beforeAll(async () => {
  const install =
    "printf '#!/bin/sh\\nexit 101\\n' >/usr/sbin/policy-rc.d && chmod 755 /usr/sbin/policy-rc.d && apt-get -q update && DEBIAN_FRONTEND=noninteractive apt-get -y -q install --no-install-recommends python3-heat heat-common";
  host = await startMachine({ image: await imageAfter('heat', install) });
}, 900_000);

afterAll(() => host.stop());

test('what Heat encrypted with the key in its source is encrypted with its own', { timeout: 300_000 }, async () => {
  const conf = steps.find(({ params }) => params['path'] === '/etc/heat/heat.conf')!.params['content'] as Text;
  expect(reveal(conf)).toContain(`\nauth_encryption_key = ${key}\n`);
  const { resource, params } = steps.find(({ stepType }) => stepType === 'heat-encryption')!;
  if (resource.via !== 'shell') throw new TypeError('heat-encryption is done by a shell');
  const { script, stdin } = resource.apply(params, undefined as never);

  await configure('');
  await done('rm -f /var/lib/heat/heat.db && runuser -u heat -- heat-manage db_sync && mkdir -p /var/lib/cellwise');
  await add('old');
  await configure(`auth_encryption_key = ${key}`);
  await add('new');
  const texts = ['trust old', 'password old', 'trust new', 'password new', 'key old', 'as it is', 'key new', 'as it is'];
  expect((await all('')).split('\n').filter((line) => line === 'unreadable')).toHaveLength(3);
  for (let times = 0; times < 2; times += 1) await done(`{ ${script}\n} <<'END'\n${String(stdin)}\nEND`);
  expect((await all('')).trim().split('\n')).toEqual(texts);
  const known = (await all(", 'notgood but just long enough i t'")).trim().split('\n');
  expect(known.filter((line) => line !== 'as it is')).toEqual(Array<string>(6).fill('unreadable'));
  await done('test -e /var/lib/cellwise/heat-has-own-key');
});
