import { createHash, createPublicKey, X509Certificate, type KeyObject } from 'node:crypto';
import { sh } from '../base/command.ts';
import { reveal, type Text } from '../base/secret.ts';
import { authorityOf, type Authority } from '../certificates/authority.ts';
import { issue, requestedKey } from '../certificates/issue.ts';
import { defineResource, type Found } from './define.ts';
import { putFile } from './put.ts';

/** So many seconds before its end a certificate is replaced. */
const early = 30 * 24 * 3600;

/**
 * A certificate of a host, signed by an authority of the cloud's own. The host sends a request, signed with its key, and is
 * sent a certificate: neither its key nor the authority's ever travels.
 */
export const tlsCertificate = defineResource({
  type: 'tls-certificate',
  summary:
    'A certificate for a private key of the host, and the certificate of the cloud’s own authority that signed it. Renewed a month before its end.',
  nameParam: 'certificate',
  params: {
    type: 'object',
    required: ['certificate', 'key', 'authority', 'secret', 'purpose', 'name', 'addresses'],
    additionalProperties: false,
    properties: {
      certificate: { type: 'string', pattern: '^/', description: 'Path of the certificate.' },
      key: { type: 'string', pattern: '^/', description: 'Path of its private key: a `private-key` step above makes it.' },
      authority: { type: 'string', pattern: '^/', description: 'Path of the authority’s certificate.' },
      secret: { type: 'string', format: 'secret', description: 'What the authority’s key is made of. It stays on the deployer.' },
      purpose: {
        type: 'string',
        pattern: '^[a-z][a-z0-9-]{0,31}$',
        description: 'What the certificate is for, e.g. libvirt. Each purpose has an authority of its own, which trusts no other.',
      },
      name: { type: 'string', pattern: '^[A-Za-z0-9.-]{1,64}$', description: 'The host’s name.' },
      addresses: {
        type: 'array',
        items: { type: 'string', format: 'ipv4' },
        description: 'Addresses that others reach it at.',
      },
      days: { type: 'integer', minimum: 60, default: 825, description: 'How long it is good for.' },
    },
  },
  desired: (p) => ({ certificate: 'good', names: namesOf(p), authority: digest(signer(p).certificate) }),
  // The clock that judges the certificate is the host's, as it is the host that uses it. A request is the same each time:
  // signatures of Ed25519 have no chance in them.
  probe: (p) => sh`
[ -e ${p.key} ] || exit 0
command -v openssl >/dev/null || { echo 'openssl is not installed on this host' >&2; exit 127; }
openssl req -new -key ${p.key} -passin pass: -subj /CN=request 2>/dev/null
printf '\\0'
head -c 16384 -- ${p.certificate} 2>/dev/null
printf '\\0'
head -c 16384 -- ${p.authority} 2>/dev/null
printf '\\0'
date +%s`,
  parse: (output, p): Found => {
    if (output.code !== 0) return { unknown: output.err.toString().trim() };
    const [request = '', certificate = '', authority = '', now = ''] = output.out.toString().split('\0');
    if (request === '') return null;
    const key = keyOf(request);
    if (typeof key === 'string') return { unknown: `the request for ${p.key} cannot be used: ${key}` };
    return { ...judge(certificate, key, signer(p), Number(now)), authority: authority === '' ? 'none' : digest(authority), request };
  },
  apply: (p, { before }) => {
    const request = before?.['request'];
    if (typeof request !== 'string') return sh`printf 'There is no key %s to sign for\\n' ${p.key} >&2; exit 1`;
    const authority = signer(p);
    const put = (path: string, pem: string) => putFile({ path, owner: 'root:root', mode: '0644', content: sh`printf %s ${pem}` });
    return sh`
set -e
${put(p.authority, authority.certificate)}
${put(p.certificate, issue(authority, requestedKey(request), p, new Date()))}`;
  },
});

function signer(p: { readonly secret: Text; readonly purpose: string }): Authority {
  return authorityOf(reveal(p.secret), p.purpose);
}

function namesOf(p: { readonly name: string; readonly addresses: readonly string[] }): string[] {
  return [`DNS:${p.name}`, ...p.addresses.map((address) => `IP:${address}`)];
}

/** The public key to sign for, or why there is none: the request is whatever the host says. */
function keyOf(request: string): KeyObject | string {
  try {
    return requestedKey(request);
  } catch (error) {
    return (error as Error).message;
  }
}

/** What is to be said of the certificate that is there. */
function judge(pem: string, key: KeyObject, authority: Authority, now: number): { certificate: string; names: string[] } {
  if (pem === '') return { certificate: 'none', names: [] };
  try {
    const found = new X509Certificate(pem);
    const names = (found.subjectAltName ?? '').split(', ').map((name) => name.replace('IP Address:', 'IP:'));
    return { certificate: verdictOn(found, key, authority, now), names };
  } catch {
    return { certificate: 'unreadable', names: [] };
  }
}

function verdictOn(found: X509Certificate, key: KeyObject, authority: Authority, now: number): string {
  if (!found.verify(createPublicKey(authority.key))) return 'of another authority';
  if (!found.publicKey.equals(key)) return 'of another key';
  return found.validToDate.getTime() / 1000 > now + early ? 'good' : 'near its end';
}

function digest(pem: string): string {
  return createHash('sha256').update(pem).digest('hex');
}
