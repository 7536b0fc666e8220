import { createHash, createPrivateKey, createPublicKey } from 'node:crypto';
import { sh, withInput, withTimeout, type Command } from '../base/command.ts';
import { mapText, reveal, text, type Text } from '../base/secret.ts';
import { defineResource, type Found } from './define.ts';

/** So many seconds before its end a certificate is replaced. */
const early = 30 * 24 * 3600;

/**
 * A certificate of a host, signed by an authority of the cloud's own. The authority's key is made of a secret, so there is
 * no file with it on any host: it is there while a certificate is signed, in memory. The host's key never leaves the host.
 */
export const tlsCertificate = defineResource({
  type: 'tls-certificate',
  summary:
    'A certificate and key of the host, and the certificate of the cloud’s own authority that signed it. Renewed a month before its end.',
  slow: true,
  nameParam: 'certificate',
  params: {
    type: 'object',
    required: ['certificate', 'key', 'authority', 'secret', 'name', 'addresses'],
    additionalProperties: false,
    properties: {
      certificate: { type: 'string', pattern: '^/', description: 'Path of the certificate.' },
      key: { type: 'string', pattern: '^/', description: 'Path of its private key.' },
      authority: { type: 'string', pattern: '^/', description: 'Path of the authority’s certificate.' },
      secret: { type: 'string', format: 'secret', description: 'What the authority’s key is made of. Who knows it can sign.' },
      name: { type: 'string', pattern: '^[A-Za-z0-9.-]{1,64}$', description: 'The host’s name.' },
      addresses: {
        type: 'array',
        items: { type: 'string', format: 'ipv4' },
        description: 'Addresses that others reach it at.',
      },
      days: { type: 'integer', minimum: 60, default: 825, description: 'How long it is good for.' },
      owner: { type: 'string', pattern: '^[^:]+:[^:]+$', default: 'root:root', description: 'USER:GROUP of the key; the rest is root’s.' },
      mode: { type: 'string', pattern: '^0[0-7]{3}$', default: '0600', description: 'Mode of the key; the rest may be read by all.' },
    },
  },
  desired: (p) => ({
    authority: 'current',
    good: true,
    names: namesOf(p),
    owner: p.owner,
    mode: Number.parseInt(p.mode, 8).toString(8),
  }),
  probe: (p) => sh`
command -v openssl >/dev/null || { echo 'openssl is not installed on this host' >&2; exit 127; }
certificate=${p.certificate} key=${p.key} authority=${p.authority}
[ -e "$certificate" ] && [ -e "$key" ] && [ -e "$authority" ] || exit 0
stat -c '%U:%G %a' -- "$key"
openssl x509 -noout -pubkey -in "$authority" 2>/dev/null | openssl dgst -sha256 -r
[ "$(openssl pkey -pubout -in "$key" 2>/dev/null)" = "$(openssl x509 -noout -pubkey -in "$certificate" 2>/dev/null)" ] &&
  openssl verify -CAfile "$authority" "$certificate" >/dev/null 2>&1 &&
  openssl x509 -noout -checkend ${early} -in "$certificate" >/dev/null && echo good || echo bad
openssl x509 -noout -ext subjectAltName -in "$certificate" 2>/dev/null | sed 1d
exit 0`,
  parse: (output, p): Found => {
    if (output.code !== 0) return { unknown: output.err.toString().trim() };
    const [stat = '', authority = '', good = '', names = ''] = output.out.toString().split('\n');
    if (stat === '') return null;
    const [owner = '', mode = ''] = stat.split(' ');
    return {
      authority: authority.slice(0, 64) === digest(p.secret) ? 'current' : 'other',
      good: good === 'good',
      names: names.split(',').map((name) => name.trim().replace('IP Address:', 'IP:')),
      owner,
      mode,
    };
  },
  apply: (p) => withTimeout(withInput(sign(p), privateKey(p.secret)), 60),
});

interface Certificate {
  readonly certificate: string;
  readonly key: string;
  readonly authority: string;
  readonly name: string;
  readonly addresses: readonly string[];
  readonly days: number;
  readonly owner: string;
  readonly mode: string;
}

function namesOf(p: Certificate): string[] {
  return [`DNS:${p.name}`, ...p.addresses.map((address) => `IP:${address}`)];
}

// All hosts make the same certificate of the authority: same key, same dates, and these signatures have no chance in them.
// /run is memory, so the authority's key does not reach a disk.
function sign(p: Certificate): Command {
  return sh`
set -e
umask 077
work=$(mktemp -d /run/cellwise-certificate.XXXXXXXX)
trap 'rm -rf -- "$work"' EXIT
cat >"$work/authority.key"
openssl req -x509 -new -key "$work/authority.key" -subj '/CN=Cellwise' -set_serial 1 -not_before 20200101000000Z -not_after 21200101000000Z \
  -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign -out "$work/authority.pem"
openssl genpkey -algorithm ed25519 -out "$work/key.pem"
openssl req -new -key "$work/key.pem" -subj ${`/CN=${p.name}`} -out "$work/request.pem"
printf '%s\\n' 'basicConstraints = critical,CA:FALSE' 'keyUsage = critical,digitalSignature' 'extendedKeyUsage = serverAuth,clientAuth' ${`subjectAltName = ${namesOf(p).join(',')}`} >"$work/extensions"
openssl x509 -req -in "$work/request.pem" -CA "$work/authority.pem" -CAkey "$work/authority.key" -days ${p.days} -extfile "$work/extensions" -out "$work/certificate.pem" 2>/dev/null
put() {
  [ -d "$(dirname -- "$2")" ] || { printf 'There is no directory %s\\n' "$(dirname -- "$2")" >&2; exit 1; }
  cp -- "$1" "$2.new"
  chown -- "$3" "$2.new"
  chmod -- "$4" "$2.new"
  mv -fT -- "$2.new" "$2"
}
put "$work/key.pem" ${p.key} ${p.owner} ${p.mode}
put "$work/certificate.pem" ${p.certificate} root:root 0644
put "$work/authority.pem" ${p.authority} root:root 0644
sync`;
}

// An Ed25519 key is any 32 bytes, in the wrapping that openssl reads.
function pkcs8(secret: string): Buffer {
  const seed = createHash('sha256').update(`certificate authority ${secret}`).digest();
  return Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), seed]);
}

function privateKey(secret: Text): Text {
  return text`-----BEGIN PRIVATE KEY-----\n${mapText(secret, (plain) => pkcs8(plain).toString('base64'))}\n-----END PRIVATE KEY-----\n`;
}

/** SHA-256 of the authority's public key as PEM. */
function digest(secret: Text): string {
  const key = createPrivateKey({ key: pkcs8(reveal(secret)), format: 'der', type: 'pkcs8' });
  return createHash('sha256')
    .update(createPublicKey(key).export({ format: 'pem', type: 'spki' }))
    .digest('hex');
}
