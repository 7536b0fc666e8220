import { askCeph, cephAnswers, cephxKey, tellCeph } from '../base/ceph.ts';
import { reveal, text } from '../base/secret.ts';
import type { State } from '../base/state.ts';
import { defineResource, type Found } from './define.ts';

/** Who a Ceph cluster knows, by which key, and what they may do. */
export const cephAuth = defineResource({
  type: 'ceph-auth',
  summary: 'A user or daemon that the Ceph cluster knows: its key and exactly these capabilities.',
  nameParam: 'entity',
  slow: true,
  params: {
    type: 'object',
    required: ['entity', 'caps'],
    additionalProperties: false,
    properties: {
      entity: { type: 'string', pattern: '^(client|mgr|osd|mds)\\.[A-Za-z0-9._-]+$', description: 'Its name, e.g. client.cinder.' },
      key: {
        type: 'string',
        format: 'secret',
        description: 'What its key is made from, as `{{cephx SECRET ENTITY}}` does. Left out: Ceph makes a key once, and it is kept.',
      },
      cipher: {
        type: 'string',
        enum: ['aes', 'aes256k'],
        default: 'aes',
        description: 'What the key is for: Ceph 20.2 and later know aes256k.',
      },
      caps: {
        type: 'object',
        description: 'What it may do, by who lets it: mon, osd, mgr, mds.',
        additionalProperties: { type: 'string', minLength: 1 },
      },
    },
  },
  desired: (p): State => ({ caps: { ...p.caps }, ...(p.key === undefined ? {} : { key: 'current' }) }),
  probeAll: (all) => askCeph(all.map((p) => ({ command: { prefix: 'auth get', entity: p.entity } }))),
  parseAll: (output, all) => {
    const answers = cephAnswers(output);
    if ('unknown' in answers) return all.map(() => answers);
    return all.map((p, i): Found => {
      const { code, out, err } = answers[i]!;
      if (code === notThere) return null;
      if (code !== 0) return { unknown: err };
      const [user] = JSON.parse(out) as [{ key: string; caps: Record<string, string> }];
      return {
        caps: user.caps,
        key: p.key !== undefined && user.key === reveal(cephxKey(p.key, p.entity, p.cipher)) ? 'current' : 'other',
      };
    });
  },
  apply: (p, change) => {
    const pairs = Object.entries(p.caps).flat();
    const rekey = p.key !== undefined && change.differences.some(({ key }) => key === 'key');
    if (p.key === undefined || !rekey) {
      const prefix = change.before === null ? 'auth add' : 'auth caps';
      return tellCeph([{ command: { prefix, entity: p.entity, caps: pairs } }]);
    }
    const caps = Object.entries(p.caps).map(([who, may]) => `\tcaps ${who} = "${may.replaceAll('"', String.raw`\"`)}"\n`);
    const keyring = text`[${p.entity}]\n\tkey = ${cephxKey(p.key, p.entity, p.cipher)}\n${caps.join('')}`;
    return tellCeph([{ command: { prefix: 'auth import' }, input: keyring }]);
  },
});

/** ENOENT. */
const notThere = -2;
