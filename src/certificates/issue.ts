import { createPublicKey, randomBytes, verify, type KeyObject } from 'node:crypto';
import { AsnConvert } from '@peculiar/asn1-schema';
import { CertificationRequest } from '@peculiar/asn1-csr';
import {
  AuthorityKeyIdentifier,
  BasicConstraints,
  ExtendedKeyUsage,
  GeneralName,
  KeyIdentifier,
  KeyUsage,
  KeyUsageFlags,
  SubjectAlternativeName,
  id_ce_authorityKeyIdentifier,
  id_ce_basicConstraints,
  id_ce_extKeyUsage,
  id_ce_keyUsage,
  id_ce_subjectAltName,
  id_kp_clientAuth,
  id_kp_serverAuth,
} from '@peculiar/asn1-x509';
import type { Authority } from './authority.ts';
import { certificate, extension, keyIdentifier, nameOf } from './certificate.ts';

/** What a certificate says of a host. Nothing of it comes from the host. */
export interface Issued {
  readonly name: string;
  readonly addresses: readonly string[];
  readonly days: number;
}

const day = 24 * 3600 * 1000;

/** Signs a certificate for a public key, for both ends of a connection; PEM. Its serial number is another one each time. */
export function issue(authority: Authority, publicKey: KeyObject, { name, addresses, days }: Issued, now: Date): string {
  const names = [new GeneralName({ dNSName: name }), ...addresses.map((iPAddress) => new GeneralName({ iPAddress }))];
  const signer = new KeyIdentifier(keyIdentifier(createPublicKey(authority.key)));
  const serial = randomBytes(16);
  // A number that is neither negative nor shorter than it looks.
  serial[0] = (serial[0]! & 0x7f) | 0x40;
  return certificate({
    serial,
    issuer: nameOf({ commonName: `Cellwise ${authority.purpose}` }),
    subject: nameOf({ organization: `Cellwise ${authority.purpose}`, commonName: name }),
    // A host's clock may be a little behind.
    notBefore: new Date(now.getTime() - day),
    notAfter: new Date(now.getTime() + days * day),
    publicKey,
    extensions: [
      extension(id_ce_basicConstraints, new BasicConstraints(), true),
      extension(id_ce_keyUsage, new KeyUsage(KeyUsageFlags.digitalSignature), true),
      extension(id_ce_extKeyUsage, new ExtendedKeyUsage([id_kp_serverAuth, id_kp_clientAuth])),
      extension(id_ce_subjectAltName, new SubjectAlternativeName(names)),
      extension(id_ce_authorityKeyIdentifier, new AuthorityKeyIdentifier({ keyIdentifier: signer })),
    ],
    key: authority.key,
  });
}

/**
 * The public key of a request that a host has made (PEM), whose owner has signed it. All else that the request says is the
 * host's word and not read. Throws when it is no such request.
 */
export function requestedKey(request: string): KeyObject {
  const [, body] =
    /^-----BEGIN CERTIFICATE REQUEST-----\n([A-Za-z0-9+/=\n]{1,8192})-----END CERTIFICATE REQUEST-----\n?$/.exec(request) ?? [];
  if (body === undefined) throw new TypeError('it is no request in PEM');
  const { info, signature, key } = parts(Buffer.from(body, 'base64'));
  if (key.asymmetricKeyType !== 'ed25519') throw new TypeError(`its key is ${key.asymmetricKeyType ?? 'of an unknown kind'}, not ed25519`);
  if (!verify(null, info, key, signature)) throw new TypeError('its key has not signed it');
  return key;
}

function parts(der: Buffer): { readonly info: Buffer; readonly signature: Buffer; readonly key: KeyObject } {
  try {
    const { certificationRequestInfo, certificationRequestInfoRaw, signature } = AsnConvert.parse(der, CertificationRequest);
    const spki = Buffer.from(AsnConvert.serialize(certificationRequestInfo.subjectPKInfo));
    const key = createPublicKey({ key: spki, format: 'der', type: 'spki' });
    return { info: Buffer.from(certificationRequestInfoRaw!), signature: Buffer.from(signature), key };
  } catch (error) {
    throw new TypeError('it cannot be read', { cause: error });
  }
}
